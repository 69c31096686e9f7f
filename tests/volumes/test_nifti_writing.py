import nibabel as nib
import numpy as np
import pytest

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask

GEOMETRY_FIELDS = (
    *("srow_x", "srow_y", "srow_z", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    *("pixdim", "qform_code", "sform_code", "xyzt_units"),
)


def voxels_of(shape):
    return np.random.default_rng(0).integers(-999, 999, shape).astype(np.int16)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (2, 0), (0, 0), (4, 3)])
@pytest.mark.parametrize("is_series", [False, True])
def test_a_mask_carries_the_scans_geometry_bit_for_bit(tmp_path, sheared, kind, order, codes, is_series):
    header = (nib.Nifti2Header if kind is nib.Nifti2Image else nib.Nifti1Header)(endianness=order)
    image = kind(voxels_of((5, 4, 3, 2) if is_series else (5, 4, 3)), sheared, header)
    image.set_sform(sheared, codes[0])
    image.set_qform(sheared, codes[1], strip_shears=True)
    image.header["scl_slope"], image.header["scl_inter"] = 2.5, -7
    image.header.set_xyzt_units("mm", "sec")
    image.header["descrip"] = b"DOE^JOHN"
    path = tmp_path / ("scan.img" if kind is nib.Nifti1Pair else "scan.nii")
    nib.save(image, path)
    scan = read(path)
    labels = np.random.default_rng(0).integers(0, 3, (5, 4, 3))
    write_mask(labels, scan, tmp_path / "mask.nii.gz")
    mask, stored = nib.load(tmp_path / "mask.nii.gz"), nib.load(path)
    for name in GEOMETRY_FIELDS:
        assert mask.header[name].tobytes() == stored.header[name].astype(mask.header[name].dtype).tobytes(), name
    assert np.array_equal(mask.affine, stored.affine)
    assert mask.shape == (5, 4, 3)
    assert (mask.dataobj.slope, mask.dataobj.inter) == (1, 0)
    assert mask.get_data_dtype() == np.uint8
    assert np.array_equal(np.asanyarray(mask.dataobj), labels)
    assert b"DOE" not in mask.header.binaryblock
    read(tmp_path / "mask.nii.gz").grid.check_same_as(scan.grid, what="mask and scan", tolerance=0)


def test_a_2d_nifti_keeps_its_two_axes(tmp_path, oblique):
    nib.save(nib.Nifti1Image(voxels_of((5, 4)), oblique), tmp_path / "a.nii")
    scan = read(tmp_path / "a.nii")
    write_mask(np.ones((5, 4), np.uint8), scan, tmp_path / "m.nii")
    mask = nib.load(tmp_path / "m.nii")
    assert mask.shape == (5, 4)
    assert np.array_equal(mask.affine, scan.affine)


def test_a_mask_for_another_format_gets_both_forms_and_shear_the_sform_alone(tmp_path, scan, sheared):
    write_mask(np.ones((5, 4, 3), np.uint8), scan, tmp_path / "a.nii")
    straight = nib.load(tmp_path / "a.nii")
    assert (straight.header["sform_code"], straight.header["qform_code"]) == (1, 1)
    np.testing.assert_allclose(straight.get_qform(), scan.affine, atol=1e-5)
    np.testing.assert_allclose(straight.get_sform(), scan.affine, atol=1e-5)
    np.testing.assert_allclose(straight.header.get_zooms(), scan.spacing, rtol=1e-6)
    assert straight.header.get_xyzt_units()[0] == "mm"
    write_mask(np.ones((5, 4, 3), np.uint8), Volume(scan.array, Grid((5, 4, 3), sheared)), tmp_path / "b.nii")
    tilted = nib.load(tmp_path / "b.nii")
    assert (tilted.header["sform_code"], tilted.header["qform_code"]) == (1, 0)
    np.testing.assert_allclose(tilted.affine, sheared, atol=1e-5)


def test_a_changed_grid_does_not_inherit_the_old_header(tmp_path, oblique):
    nib.save(nib.Nifti1Image(voxels_of((5, 4, 3)), np.eye(4)), tmp_path / "a.nii")
    scan = read(tmp_path / "a.nii")
    moved = Volume(scan.array, Grid(scan.grid.shape, oblique), scan.source)
    write(moved, tmp_path / "b.nii")
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").affine, oblique, atol=1e-5)


def test_long_axes_become_nifti_2(tmp_path):
    write(Volume(np.zeros((1, 40000, 2, 1), np.uint8), Grid((40000, 2, 1), np.eye(4))), tmp_path / "a.nii.gz")
    assert isinstance(nib.load(tmp_path / "a.nii.gz"), nib.Nifti2Image)
    assert read(tmp_path / "a.nii.gz").grid.shape == (40000, 2, 1)


def test_what_nifti_cannot_hold_is_refused(tmp_path):
    complex_volume = Volume(np.zeros((1, 2, 2, 2), np.complex64), Grid((2, 2, 2), np.eye(4)))
    with pytest.raises(DataError, match=r"a\.nii: voxels of type complex64"):
        write(complex_volume, tmp_path / "a.nii")
    picture = Volume(np.zeros((2, 4, 4), np.uint8), Grid((4, 4), np.eye(4)))
    with pytest.raises(GeometryError, match=r"write \.tif or \.nrrd"):
        write(picture, tmp_path / "a.nii")
    assert not list(tmp_path.iterdir())


def test_the_same_voxels_give_the_same_bytes(tmp_path, scan, inflater):
    write(scan, tmp_path / "a.nii.gz")
    write(scan, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
