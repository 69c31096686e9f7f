import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import NumpyValue, load_array, load_checkpoint, load_json, load_tensors, load_yaml

LOADERS = [load_yaml, load_json, load_tensors, load_checkpoint, load_array]


class Bomb:
    """Makes a file named `fuse` when it is unpickled."""

    def __init__(self, fuse: Path) -> None:
        self.fuse = fuse

    def __reduce__(self):
        return os.mkdir, (str(self.fuse),)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("content", [None, "folder", b"", b"\x00\xff\x80", b"{", b"PK\x03\x04", b"\x93NUMPY\x01\x00"])
def test_damaged_and_missing_files_are_one_line_that_names_them(tmp_path, load, content):
    path = tmp_path / "theirs.bin"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    if load is load_yaml and content == b"":
        assert load(path) is None
        return
    with pytest.raises(DataError, match=r"theirs\.bin") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("load", [load_tensors, load_checkpoint, load_array])
@pytest.mark.parametrize("wrap", ["pickle", "torch", "old torch", "npy", "npz"])
def test_a_pickle_is_refused_and_never_run(tmp_path, load, wrap):
    import torch

    bomb, path = Bomb(tmp_path / "fuse"), tmp_path / "model.ckpt"
    with path.open("wb") as stream:
        if wrap == "pickle":
            pickle.dump({"state_dict": bomb}, stream)
        elif wrap == "npy":
            np.save(stream, np.array([bomb], dtype=object), allow_pickle=True)
        elif wrap == "npz":
            np.savez(stream, a=np.array([bomb], dtype=object))
        else:
            torch.save({"state_dict": bomb}, stream, _use_new_zipfile_serialization=wrap == "torch")
    with pytest.raises(DataError, match=r"model\.ckpt") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "fuse").exists()


def test_a_torchscript_archive_is_refused(tmp_path):
    import torch

    path = tmp_path / "model.pt"
    torch.save({"w": torch.zeros(1)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("model/constants.pkl", pickle.dumps(()))
    with pytest.raises(DataError, match=r"model\.pt is damaged or is no checkpoint"):
        load_checkpoint(path)


def with_pickle(path: Path, change) -> None:
    """Write a checkpoint anew with another stream of operations."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, change(content) if name.endswith("/data.pkl") else content)


def an_item_set_on_a_tensor(operations: bytes) -> bytes:
    built = operations[operations.index(b"ctorch._utils") : -2]  # what makes the tensor; then SETITEM and STOP
    return b"\x80\x02" + built + b"K\x00K\x01s."


def a_storage_larger_than_its_bytes(operations: bytes) -> bytes:
    assert operations.count(b"K\x03") == 2  # values of the storage, and of the tensor that sees it
    return operations.replace(b"K\x03", b"J\x00\x00\x10\x00")


@pytest.mark.parametrize("change", [an_item_set_on_a_tensor, a_storage_larger_than_its_bytes])
def test_operations_that_once_wrote_beside_their_memory_are_refused(tmp_path, change):
    """CVE-2026-24747: PyTorch before 2.10 followed them although only weights were to be loaded."""
    import torch

    path = tmp_path / "model.ckpt"
    torch.save({"w": torch.zeros(3)}, path)
    assert load_checkpoint(path)["w"].tolist() == [0, 0, 0]
    with_pickle(path, change)
    with pytest.raises(DataError, match=r"model\.ckpt is damaged or is no checkpoint"):
        load_checkpoint(path)


def test_a_compressed_checkpoint_is_refused(tmp_path):
    import torch

    path, packed = tmp_path / "model.ckpt", tmp_path / "packed.ckpt"
    torch.save({"w": torch.zeros(100_000)}, path)
    with zipfile.ZipFile(path) as theirs, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in theirs.namelist():
            archive.writestr(name, theirs.read(name))
    with pytest.raises(DataError, match=r"packed\.ckpt is damaged or is no checkpoint"):
        load_checkpoint(packed)


def test_checkpoints_of_plain_values_load_on_the_cpu(tmp_path):
    import torch

    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {"w": torch.arange(3)}, "step": 7, "names": ["a"]}, path)
    checkpoint = load_checkpoint(path)
    assert checkpoint["step"] == 7
    assert checkpoint["state_dict"]["w"].tolist() == [0, 1, 2]
    torch.save([1, 2], path)
    with pytest.raises(DataError, match="it holds a list and not a mapping"):
        load_checkpoint(path)


def test_tensors_load_by_name_and_a_cut_file_is_refused(tmp_path):
    import torch
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"w": torch.arange(100)}, path)
    assert load_tensors(path)["w"].tolist() == list(range(100))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        load_tensors(path)


@pytest.mark.parametrize("mmap", [False, True])
def test_arrays_load_whole_or_mapped(tmp_path, mmap):
    path = tmp_path / "x.npy"
    for array in (np.arange(24).reshape(2, 3, 4), np.asfortranarray(np.eye(3)), np.array(3.5), np.zeros((0, 3))):
        np.save(path, array)
        loaded = load_array(path, mmap=mmap)
        np.testing.assert_array_equal(loaded, array)
        assert loaded.dtype == array.dtype
        assert loaded.flags.writeable is not mmap


def test_a_header_that_claims_more_than_the_file_holds_takes_no_memory(tmp_path):
    path = tmp_path / "x.npy"
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
        stream.write(bytes(64))
    with pytest.raises(DataError, match=r"x\.npy is not a whole \.npy file"):
        load_array(path)


def test_plain_yaml_and_json_load(tmp_path):
    (tmp_path / "x.yaml").write_text("a: [1, 1e-3]\nü: null\n", encoding="utf-8")
    (tmp_path / "x.json").write_text('{"a": [1, 0.5]}')
    assert load_yaml(tmp_path / "x.yaml") == {"a": [1, 1e-3], "ü": None}
    assert load_json(tmp_path / "x.json") == {"a": [1, 0.5]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!!python/object/apply:os.mkdir [fuse]", "python/object"),
        ("!!python/name:os.system", "python/name"),
        ("a: &a [1, 1]\nb: [*a, *a]", "it uses the alias [*]a"),
        ("[" * 200_000, "nested deeper than 100 levels"),
        ("{a: " * 200_000, "nested deeper than 100 levels"),
        ('"\\ud800"\n' + "- " * 5000, "."),
        ("a: b: c", "mapping values"),
        ("--- 1\n--- 2", "single document"),
    ],
)
def test_yaml_that_acts_or_explodes_is_refused(tmp_path, monkeypatch, text, reason):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"model\.yaml is not plain YAML: .*{reason}"):
        load_yaml(path)
    assert not Path("fuse").exists()


def test_json_that_explodes_is_refused(tmp_path):
    path = tmp_path / "cases.json"
    path.write_text("[" * 200_000)
    with pytest.raises(DataError, match=r"cases\.json is not JSON"):
        load_json(path)


def test_numpy_values_beside_tensors_are_refused_or_lost_but_never_rebuilt(tmp_path):
    import torch

    path = tmp_path / "theirs.pth"
    torch.save({"w": torch.zeros(2), "best": np.float64(0.5), "curve": [np.arange(3)], "kind": np.dtype("f4")}, path)
    with pytest.raises(DataError, match=r"theirs\.pth is damaged or is no checkpoint"):
        load_checkpoint(path)
    found = load_checkpoint(path, numpy_values=True)
    assert found["w"].tolist() == [0, 0]
    assert all(type(value) is NumpyValue for value in (found["best"], found["curve"][0], found["kind"]))
    torch.save({"w": torch.zeros(2), "bomb": Bomb(tmp_path / "fuse"), "best": np.float64(0.5)}, path)
    with pytest.raises(DataError, match=r"theirs\.pth is damaged or is no checkpoint"):
        load_checkpoint(path, numpy_values=True)
    assert not (tmp_path / "fuse").exists()
