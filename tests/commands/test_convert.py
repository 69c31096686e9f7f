import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from segkit.commands.convert import convert
from segkit.config.compose import configure
from segkit.foundation.errors import DataError, GeometryError, UsageError
from segkit.volumes.reading import read

AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])


@pytest.fixture
def scan(tmp_path):
    voxels = np.random.default_rng(0).integers(-99, 99, (5, 4, 3)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


def converted(path, output):
    return convert(configure("convert", [f"input={path}", f"output={output}"]))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".tif"])
def test_voxels_and_grid_survive(tmp_path, scan, suffix, capsys):
    output = tmp_path / "out" / f"b{suffix}"
    assert converted(scan, output) == output
    assert str(output) in capsys.readouterr().out
    before, after = read(scan), read(output)
    assert np.array_equal(before.array, after.array)
    assert before.array.dtype == after.array.dtype
    np.testing.assert_allclose(before.affine, after.affine, atol=1e-12)


def test_simpleitk_sees_the_same_place(tmp_path, scan):
    converted(scan, tmp_path / "b.mha")
    ours, theirs = SimpleITK.ReadImage(tmp_path / "b.mha"), SimpleITK.ReadImage(scan)
    np.testing.assert_allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(ours.GetDirection(), theirs.GetDirection(), atol=1e-6)
    assert np.array_equal(SimpleITK.GetArrayFromImage(ours), SimpleITK.GetArrayFromImage(theirs))


def test_an_older_output_is_replaced_and_the_input_is_not(tmp_path, scan):
    output = tmp_path / "b.nrrd"
    output.write_text("old")
    converted(scan, output)
    assert read(output).grid.shape == (5, 4, 3)
    before = scan.read_bytes()
    with pytest.raises(UsageError, match="is the input itself"):
        converted(scan, scan)
    assert scan.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "target", "error", "message"),
    [
        ("gone.nii", "b.nii", DataError, "does not exist"),
        ("gone.nii", "b.xyz", UsageError, "does not write this format"),
        ("scan.nii.gz", "folder.nii", UsageError, "is a folder"),
        ("scan.nii.gz", "b.png", GeometryError, r"b\.png: PNG holds 2D pictures"),
    ],
)
def test_what_cannot_be_done_leaves_nothing_behind(tmp_path, scan, source, target, error, message):
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(error, match=message):
        converted(tmp_path / source, tmp_path / target)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["folder.nii", "scan.nii.gz"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["output=x.nii"], "what to convert is not set: pass input=FILE output=FILE, or data=NAME"),
        (["output=x", "input=y.nii", "data=paired", "data.root=z"], "input and data are both set"),
    ],
)
def test_one_thing_is_converted(words, message):
    with pytest.raises(UsageError, match=message):
        convert(configure("convert", words))


def test_keys_of_a_data_set_that_is_not_chosen_are_refused():
    for word in ("data.root=x", "data.labels={background: 0, a: 1}", "data.name=x"):
        with pytest.raises(UsageError, match="data is not chosen: pass data=NAME; choices: bids, "):
            configure("convert", ["output=x.nii", "input=y.nii", word])
