"""A mask says which model made it, and a model which scans it has seen."""

from dataclasses import replace

import nibabel as nib
import nrrd
import numpy as np
import PIL.Image
import pytest
import SimpleITK

from segkit.cli import main
from segkit.foundation.files import read_yaml
from segkit.foundation.hashing import file_hash
from segkit.inference.model import load
from segkit.runs.model_file import SEEN_DIGITS
from segkit.version import __version__
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

SOFTWARE = 305  # TIFF's tag


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans").mkdir()
    for index in range(3):
        voxels = np.random.default_rng(index).integers(0, 99, (18, 17, 16)).astype(np.int16)
        image = nib.Nifti1Image(voxels, np.eye(4))
        image.header["descrip"] = b"DOE^JANE"
        nib.save(image, tmp_path / "scans" / f"scan_{index}.nii.gz")
    return tmp_path / "scans"


def predicted(run, scans, output, *words):
    return main(["predict", f"run={run}", f"input={scans}", f"output={output}", "device=cpu", *words])


def test_scans_that_trained_a_model_are_named(tmp_path, untrained_run, scans, capsys):
    run = untrained_run(seen=[file_hash(scans / "scan_1.nii.gz")[:SEEN_DIGITS]])
    assert predicted(run, scans, tmp_path / "masks") == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "trained this model" in line]
    assert len(warned) == 1
    assert "1 of 3 scans trained this model (scan_1)" in warned[0]
    # Masks that are there already are told of too.
    assert predicted(run, scans, tmp_path / "masks") == 0
    assert "(scan_1)" in capsys.readouterr().err
    packed = tmp_path / "a.segkit"
    assert main(["package", f"run={run}", f"output={packed}"]) == 0
    assert predicted(packed, scans, tmp_path / "others") == 0
    assert "(scan_1)" in capsys.readouterr().err


def test_a_model_that_saw_none_says_nothing(tmp_path, untrained_run, scans, capsys):
    assert predicted(untrained_run(), scans, tmp_path / "masks") == 0
    assert "trained this model" not in capsys.readouterr().err


def test_a_mask_says_which_model_made_it(tmp_path, untrained_run, scans):
    run = untrained_run()
    assert predicted(run, scans, tmp_path / "masks") == 0
    version = load(run, device="cpu").version
    said = nib.load(tmp_path / "masks" / "scan_0.nii.gz").header["descrip"].item().decode()
    assert said.startswith("segkit ")
    assert said.endswith(f"model {version}")
    path = load(run, device="cpu").segment(scans / "scan_0.nii.gz").save(tmp_path / "mask.nii.gz")
    assert nib.load(path).header["descrip"].item().decode() == said
    other = untrained_run("other", seed=1)
    assert load(other, device="cpu").version != version


@pytest.mark.parametrize("seen", ["x", [1], {"a": 1}, None])
def test_a_record_whose_list_is_none_is_refused(tmp_path, untrained_run, scans, capsys, seen):
    run = untrained_run()
    record = run / "model" / "model.yaml"
    assert read_yaml(record)["seen"] == []
    record.write_text(record.read_text().replace("seen: []", f"seen: {seen!r}".replace("None", "null")))
    assert predicted(run, scans, tmp_path / "masks") == 1
    assert "seen is malformed" in capsys.readouterr().err


def test_every_format_of_volumes_says_so_to_other_readers(tmp_path, untrained_run, scans):
    run = untrained_run()
    assert predicted(run, scans / "scan_0.nii.gz", tmp_path / "masks", "export=[nrrd,metaimage,tiff]") == 0
    said = f"segkit {__version__}, model {load(run, device='cpu').version}"
    assert nrrd.read_header(str(tmp_path / "masks" / "scan_0.nrrd"))["note"] == said
    assert SimpleITK.ReadImage(tmp_path / "masks" / "scan_0.nrrd").GetMetaData("note") == said
    meta = SimpleITK.ReadImage(tmp_path / "masks" / "scan_0.mha")
    assert said in (tmp_path / "masks" / "scan_0.mha").read_bytes()[:200].decode("ascii", "ignore")
    assert meta.GetSize() == (18, 17, 16)
    with PIL.Image.open(tmp_path / "masks" / "scan_0.tif") as pages:
        assert pages.tag_v2[SOFTWARE] == said
    assert read(tmp_path / "masks" / "scan_0.nrrd").array.shape == read(tmp_path / "masks" / "scan_0.mha").array.shape


def test_a_picture_says_so_in_its_own_text(tmp_path):
    mask = Volume(np.zeros((1, 5, 4), np.uint8), Grid((5, 4), np.eye(4)), note="segkit 1, model abc")
    write(mask, tmp_path / "mask.png")
    with PIL.Image.open(tmp_path / "mask.png") as picture:
        assert picture.text == {"Software": "segkit 1, model abc"}
    write(replace(mask, note=""), tmp_path / "plain.png")
    with PIL.Image.open(tmp_path / "plain.png") as picture:
        assert picture.text == {}
