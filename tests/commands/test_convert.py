import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from segkit.commands.convert import convert
from segkit.config.commands import ConvertConfig
from segkit.foundation.errors import DataError, GeometryError, UsageError
from segkit.volumes.reading import read

AFFINE = np.array([[-1.5, 0, 0, 10], [0, 2, 0, -20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])


@pytest.fixture
def scan(tmp_path):
    voxels = np.random.default_rng(0).integers(-99, 99, (5, 4, 3)).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, AFFINE), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".tif"])
def test_voxels_and_grid_survive(tmp_path, scan, suffix, capsys):
    output = tmp_path / "out" / f"b{suffix}"
    assert convert(ConvertConfig(input=str(scan), output=str(output), debug=False)) == output
    assert str(output) in capsys.readouterr().out
    before, after = read(scan), read(output)
    assert np.array_equal(before.array, after.array)
    assert before.array.dtype == after.array.dtype
    np.testing.assert_allclose(before.affine, after.affine, atol=1e-12)


def test_simpleitk_sees_the_same_place(tmp_path, scan):
    convert(ConvertConfig(input=str(scan), output=str(tmp_path / "b.mha"), debug=False))
    ours, theirs = SimpleITK.ReadImage(tmp_path / "b.mha"), SimpleITK.ReadImage(scan)
    np.testing.assert_allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-6)
    np.testing.assert_allclose(ours.GetDirection(), theirs.GetDirection(), atol=1e-6)
    assert np.array_equal(SimpleITK.GetArrayFromImage(ours), SimpleITK.GetArrayFromImage(theirs))


def test_an_older_output_is_replaced_and_the_input_is_not(tmp_path, scan):
    output = tmp_path / "b.nrrd"
    output.write_text("old")
    convert(ConvertConfig(input=str(scan), output=str(output), debug=False))
    assert read(output).grid.shape == (5, 4, 3)
    before = scan.read_bytes()
    with pytest.raises(UsageError, match="is the input itself"):
        convert(ConvertConfig(input=str(scan), output=str(scan), debug=False))
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
        convert(ConvertConfig(input=str(tmp_path / source), output=str(tmp_path / target), debug=False))
    assert sorted(child.name for child in tmp_path.iterdir()) == ["folder.nii", "scan.nii.gz"]
