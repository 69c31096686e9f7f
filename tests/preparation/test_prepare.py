from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from segkit.config.channels import Channel
from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError
from segkit.preparation.grids import cropped
from segkit.preparation.prepare import prepare
from segkit.preparation.scans import read_scan
from segkit.volumes.grid import Grid, affine_from

MR = {"MR": Channel("mr")}
AS_IT_IS = {"orientation": None, "spacing": (None, None, None), "normalisation": {"MR": Normalisation("none")}}


def test_cropping_orientation_spacing_and_normalisation_follow_each_other(write_case, plan, tmp_path):
    stored = nib.load(write_case().images["MR"])
    turned = stored.as_reoriented(nib.orientations.axcodes2ornt(tuple("PSL")))  # another scanner's order of axes
    nib.save(turned, tmp_path / "turned.nii")
    prepared = prepare(read_scan({"MR": tmp_path / "turned.nii"}, MR), plan(spacing=(1.0, 1.0, 2.0)))
    part = stored.get_fdata()[2:, :-1]
    shape = (12, 13, 11)  # 12 x 11 x 9 voxels of 1 x 1.2 x 2.5 mm in voxels of 1 x 1 x 2 mm
    normalised = (part - part.mean()) / part.std()
    resampled = ndimage.zoom(normalised, np.divide(shape, part.shape), order=3, mode="nearest", grid_mode=True)
    in_range = np.clip(resampled, normalised.min(), normalised.max())
    np.testing.assert_allclose(prepared.image[0], in_range, atol=5e-3)
    assert prepared.image.dtype == np.float16
    whole = Grid(stored.shape, stored.affine)
    box = cropped(whole, (slice(2, 14), slice(0, 11), slice(0, 9)))
    assert prepared.grid.shape == shape
    np.testing.assert_allclose(  # the first outer corner stays
        prepared.grid.affine @ [-0.5, -0.5, -0.5, 1], box.affine @ [-0.5, -0.5, -0.5, 1], atol=1e-5
    )
    assert prepared.scan_grid.shape == turned.shape


def test_an_identity_plan_keeps_the_voxels(write_nifti, plan):
    array = np.arange(1, 61, dtype=np.int16).reshape(3, 4, 5)
    scan = read_scan({"MR": write_nifti("a.nii", array)}, MR)
    prepared = prepare(scan, plan(**AS_IT_IS))
    assert np.array_equal(prepared.image[0], array)
    prepared.grid.check_same_as(scan.grid, what="both")


def test_values_beyond_float16_are_kept_in_float32(write_nifti, plan):
    array = np.full((3, 3, 3), 100_000, np.int32)
    prepared = prepare(read_scan({"MR": write_nifti("a.nii", array)}, MR), plan(**AS_IT_IS))
    assert prepared.image.dtype == np.float32
    assert (prepared.image == 100_000).all()


def test_a_colour_picture_is_scaled_to_one(tmp_path, plan):
    pixels = np.random.default_rng(0).integers(1, 256, (6, 4, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    scan = read_scan({"photo": tmp_path / "skin.png"}, {"photo": Channel("rgb")})
    prepared = prepare(scan, plan(**{**AS_IT_IS, "normalisation": {"photo": Normalisation("unit", width=3)}}))
    assert prepared.image.shape == (3, 4, 6, 1)
    np.testing.assert_allclose(prepared.image[:, :, :, 0], pixels.transpose(2, 1, 0) / 255, atol=1e-3)


def test_a_tilted_scan_becomes_orthogonal_and_remembers_its_own_grid(write_nifti, plan):
    affine = affine_from((1, 1, 1))
    affine[:3, 2] = 0, 3, 4
    array = np.full((6, 10, 3), 50, np.int16)
    array[0] = -1000
    scan = read_scan({"CT": write_nifti("a.nii", array, affine)}, {"CT": Channel("ct")})
    prepared = prepare(scan, plan(**AS_IT_IS, dims=3))
    assert not prepared.grid.is_sheared
    assert prepared.image.shape == (1, 6, 19, 3)
    assert prepared.image[0, 3, 0, 2] == -1000  # beyond the scan lies its lowest value
    assert prepared.image[0, 3, 9, 1] == pytest.approx(50, abs=0.5)
    np.testing.assert_allclose(prepared.scan_grid.affine, affine)


def test_transforms_follow_the_normalisation(write_case, plan):
    scan = read_scan(write_case().images, MR)
    scaled = prepare(scan, plan(transforms=({"_target_": "monai.transforms.ScaleIntensity", "minv": 2, "maxv": 3},)))
    plain = prepare(scan, plan())
    assert (scaled.image.min(), scaled.image.max()) == (2, 3)
    assert np.corrcoef(scaled.image.ravel(), plain.image.ravel())[0, 1] > 0.9999


def test_a_transform_that_divides_by_zero_is_caught(write_nifti, plan):
    scan = read_scan({"MR": write_nifti("a.nii", np.full((3, 3, 3), 7, np.int16))}, MR)
    divide = {"_target_": "monai.transforms.ShiftIntensity", "offset": float("inf")}
    with pytest.raises(DataError, match=r"NaN or infinite values; look at preprocessing\.transforms"):
        prepare(scan, plan(transforms=(divide,)))


def test_an_earlier_mask_follows_the_channels_class_by_class(write_nifti, plan):
    array = np.random.default_rng(0).integers(1, 99, (6, 7, 8)).astype(np.int16)
    mask = np.zeros(array.shape, np.uint8)
    mask[1:4, 2:5, 3:6], mask[4:, 5:, 6:] = 1, 2
    scan = replace(read_scan({"MR": write_nifti("a.nii", array)}, MR), previous=mask)
    prepared = prepare(scan, replace(plan(**AS_IT_IS), previous=2))
    assert prepared.image.shape == (3, *array.shape)
    np.testing.assert_array_equal(prepared.image[0], array)
    np.testing.assert_array_equal(prepared.image[1:], [mask == 1, mask == 2])


def test_a_missing_earlier_mask_is_an_error(write_nifti, plan):
    scan = read_scan({"MR": write_nifti("a.nii", np.ones((4, 4, 4), np.int16))}, MR)
    with pytest.raises(DataError, match="mask of an earlier stage"):
        prepare(scan, replace(plan(**AS_IT_IS), previous=1))
