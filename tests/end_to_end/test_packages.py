"""A trained model handed on in one file: it works anywhere, and what others put into such a file never runs."""

import shutil
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segkit.cli import main
from segkit.foundation.hashing import file_hash


@pytest.fixture(scope="module")
def trained(uninterrupted_line, ball_options):
    uninterrupted_line("train", *ball_options, "training.steps=60", "output=to_pack")
    uninterrupted_line("evaluate", "run=to_pack")
    return uninterrupted_line.folder / "to_pack"


def voxels(path: Path) -> np.ndarray:
    return np.asanyarray(nib.load(path).dataobj)


def test_a_package_works_where_neither_run_nor_data_set_is(segkit, trained, balls):
    segkit("package", f"run={trained}", "output=balls.segkit", "licence=CC-BY-4.0", "authors=Ana, Bo")
    scan = shutil.copy(balls / "images" / "ball_6.nii.gz", segkit.folder)
    segkit("predict", f"run={trained}", f"input={scan}", "output=by_run")
    lonely = segkit.folder / "lonely"
    lonely.mkdir()
    (segkit.folder / "balls.segkit").rename(lonely / "balls.segkit")
    segkit("predict", "run=lonely/balls.segkit", f"input={scan}", "output=by_package")
    first, second = (segkit.folder / name / "ball_6.nii.gz" for name in ("by_run", "by_package"))
    assert np.array_equal(voxels(first), voxels(second))
    assert voxels(first).any()
    assert [path.name for path in lonely.iterdir()] == ["balls.segkit"]
    card = zipfile.ZipFile(lonely / "balls.segkit").read("README.md").decode()
    assert "On 2 held-out cases, which never trained" in card
    assert "| cases that trained | 6 |" in card
    assert "Ana, Bo" in card


def test_what_needs_a_run_folder_says_so(trained, tmp_path, capsys):
    assert main(["package", f"run={trained}", f"output={tmp_path / 'a.segkit'}"]) == 0
    for words, says in (
        (["evaluate", "run=a.segkit"], "is a packaged model and no run folder: it knows no cases; segment with"),
        (["predict", "run=a.segkit", "split=held_out"], "no run folder: it knows no cases; pass input=SCANS"),
        (["train", "resume=a.segkit"], "is not a run folder: it is a file; a packaged model is for prediction alone"),
    ):
        assert main([word.replace("a.segkit", str(tmp_path / "a.segkit")) for word in words]) == 2
        assert says in capsys.readouterr().err


def rewritten(package: Path, **changes: bytes | None) -> None:
    """Write the package anew with other members."""
    with zipfile.ZipFile(package) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    with zipfile.ZipFile(package, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content or b"")


def with_target(package: Path, target: str) -> None:
    record = zipfile.ZipFile(package).read("model.yaml").decode()
    assert "segkit.networks.UNet" in record
    rewritten(package, **{"model.yaml": record.replace("segkit.networks.UNet", target).encode()})


def with_features(package: Path, features: str) -> None:
    record = zipfile.ZipFile(package).read("model.yaml").decode()
    assert "features: [4, 8, 8]" in record
    rewritten(package, **{"model.yaml": record.replace("features: [4, 8, 8]", f"features: {features}").encode()})


def with_transform(package: Path, target: str) -> None:
    record = zipfile.ZipFile(package).read("model.yaml").decode()
    assert "transforms: []" in record
    rewritten(
        package, **{"model.yaml": record.replace("transforms: []", f"transforms: [{{_target_: {target}}}]").encode()}
    )


def with_table(package: Path, *, name: str = "README.md", **changes: int) -> None:
    """Change what the zip's table says of a member."""
    with zipfile.ZipFile(package, "a") as archive:
        for key, value in changes.items():
            setattr(archive.getinfo(name), key, value)
        archive.comment = b"x"  # makes zipfile write the table anew


def encrypted(package: Path) -> None:
    with_table(package, flag_bits=1)


def bomb(package: Path) -> None:
    with_table(package, name="weights.safetensors", compress_type=zipfile.ZIP_DEFLATED, file_size=10 << 30)


def twice(package: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(package, "a") as archive:
        archive.writestr("model.yaml", b"format: 1")


def cut(package: Path) -> None:
    package.write_bytes(package.read_bytes()[:-30])


TARGETS = (
    "os.system", "logging.os.system", "shutil.os.system", "monai.utils.run_cmd", "monai.bundle.run", "builtins.eval",
    "segkit.cli.os.system", "torch.os.system", "torch.hub.load", "torch.jit.load", "evil.Network", "subprocess.Popen",
    "monai.data.utils.pickle.Unpickler", "segkit.foundation.strangers.zipfile.ZipFile",
)  # fmt: skip
ATTACKS = {
    **{target: (lambda package, target=target: with_target(package, target), target) for target in TARGETS},
    "transform os.system": (lambda package: with_transform(package, "os.system"), "os.system"),
    "transform of monai": (lambda package: with_transform(package, "monai.transforms.SaveImage"), "SaveImage"),
    "escaping path": (lambda package: rewritten(package, **{"../../x": b"x"}), "'../../x' points outside"),
    "absolute path": (lambda package: rewritten(package, **{"/tmp/x": b"x"}), "'/tmp/x' points outside"),
    "pickle inside": (lambda package: rewritten(package, **{"data.pkl": b"x"}), "'data.pkl' does not belong"),
    "code inside": (lambda package: rewritten(package, **{"model_1/evil.py": b"x"}), "does not belong"),
    "other weights": (lambda package: rewritten(package, **{"weights.safetensors": b"x"}), "its sha256 differs"),
    "vast network": (lambda package: with_features(package, "[200000, 200000]"), "and the weights hold"),
    "bomb": (bomb, "would unpack to 10737418240 bytes"),
    "encrypted": (encrypted, "is encrypted"),
    "link": (lambda package: with_table(package, external_attr=0o120777 << 16), "is a link"),
    "twice": (twice, "is there twice"),
    "cut": (cut, "is no whole zip"),
    "no zip": (lambda package: package.write_bytes(b"\x80\x04"), "is no zip"),
}


@pytest.mark.parametrize(("attack", "says"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_one_line_and_nothing_runs(tmp_path, untrained_run, balls, monkeypatch, capsys, attack, says):
    package, scan = tmp_path / "a.segkit", balls / "images" / "ball_6.nii.gz"
    assert main(["package", f"run={untrained_run()}", f"output={package}"]) == 0
    attack(package)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    monkeypatch.syspath_prepend(tmp_path / "path")
    monkeypatch.setattr("os.system", lambda command: pytest.fail(f"os.system ran {command}"))
    before, capsys_before = sorted(tmp_path.rglob("*")), capsys.readouterr()
    assert capsys_before.err == ""
    code = main(["predict", f"run={package}", f"input={scan}", f"output={tmp_path / 'masks'}", "device=cpu"])
    assert code in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert says in lines[0]
    assert sorted(tmp_path.rglob("*")) == before
    assert "evil" not in sys.modules


def test_an_honest_package_of_the_same_making_is_taken(tmp_path, untrained_run, balls):
    package, scan = tmp_path / "a.segkit", balls / "images" / "ball_6.nii.gz"
    assert main(["package", f"run={untrained_run()}", f"output={package}"]) == 0
    rewritten(package)  # as the attacks write theirs
    assert main(["predict", f"run={package}", f"input={scan}", f"output={tmp_path / 'masks'}", "device=cpu"]) == 0
    assert file_hash(tmp_path / "masks" / "ball_6.nii.gz")


def test_a_bundle_runs_with_monai_alone_and_gives_segkits_masks(segkit, trained, balls):
    segkit("package", f"run={trained}", "output=balls.bundle")
    (segkit.folder / "scans").mkdir()
    shutil.copy(balls / "images" / "ball_7.nii.gz", segkit.folder / "scans")
    code = (
        "import sys; sys.modules['segkit'] = None; import os; os.chdir('balls.bundle'); import monai.bundle; "
        "monai.bundle.run(config_file='configs/inference.json', dataset_dir='../scans', output_dir='../theirs')"
    )
    segkit(code=code)
    segkit("predict", f"run={trained}", "input=scans", "output=ours", "inference.precision=32")
    ours, theirs = voxels(segkit.folder / "ours/ball_7.nii.gz"), voxels(segkit.folder / "theirs/ball_7_mask.nii.gz")
    assert ours.any()
    assert (ours != theirs).mean() < 1e-3  # the scan is larger than a window, and MONAI's lie elsewhere


def test_an_onnx_file_is_written_from_the_command_line(segkit, trained):
    import onnx

    said = segkit("package", f"run={trained}", "output=balls.onnx").stdout
    assert "onnxruntime and PyTorch differ by at most" in said
    onnx.checker.check_model(onnx.load(segkit.folder / "balls.onnx"))
