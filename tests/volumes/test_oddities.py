"""Every real oddity reads as nibabel or SimpleITK reads it, or is refused in one known line."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from segkit.foundation.errors import DataError
from segkit.volumes.reading import find_volumes, read, read_grid

REFUSALS = {"complex.nii.gz": "complex voxels"}


@pytest.fixture(scope="module")
def oddities(segkit_data: Path) -> list[Path]:
    folder = segkit_data / "nifti_oddities"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) >= 44
    return paths


def test_nifti_oddities_read_as_nibabel_reads_them(oddities):
    names = [path for path in oddities if path.name.endswith((".nii", ".nii.gz", ".hdr", ".img"))]
    for path in names:
        if path.name in REFUSALS:
            continue
        volume, expected = read(path), nib.load(path)
        assert np.array_equal(volume.affine, expected.affine), path.name
        assert volume.array.shape == (1, *expected.shape), path.name
        assert np.array_equal(volume.array[0], expected.get_fdata().astype(volume.array.dtype)), path.name
        stored = expected.header.get_data_dtype()
        has_slope = expected.dataobj.slope != 1 or expected.dataobj.inter != 0
        assert volume.array.dtype == (np.float32 if has_slope else stored.newbyteorder("=")), path.name


def test_itk_oddities_read_as_simpleitk_reads_them(oddities, ras_affine):
    paths = [path for path in oddities if path.suffix in (".mha", ".mhd", ".nrrd")]
    assert len(paths) >= 2
    for path in paths:
        volume, expected = read(path), SimpleITK.ReadImage(path)
        np.testing.assert_allclose(volume.affine, ras_affine(expected), atol=1e-9, err_msg=path.name)
        assert np.array_equal(volume.array[0], SimpleITK.GetArrayFromImage(expected).T), path.name


@pytest.mark.parametrize(("name", "message"), REFUSALS.items())
def test_refusals_are_one_line_that_names_the_file(oddities, name, message):
    path = next(path for path in oddities if path.name == name)
    with pytest.raises(DataError, match=message) as raised:
        read(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_the_24_orientations_are_one_head_in_space(oddities):
    from scipy.ndimage import map_coordinates

    paths = [path for path in oddities if path.parent.name == "orientations"]
    first = read(paths[0])
    points = np.random.default_rng(0).integers(0, first.grid.shape, (50, 3)).T
    values = first.array[0][tuple(points)]
    for path in paths[1:]:
        other = read(path)
        matrix = first.grid.index_to(other.grid)
        there = matrix[:3, :3] @ points + matrix[:3, 3:]
        found = map_coordinates(other.array[0], there, order=1, mode="nearest")
        assert np.mean(np.abs(found - values) < 2) > 0.9, path.name


def test_grids_are_read_from_headers_alone(oddities):
    for path in oddities:
        if path.name not in REFUSALS:
            grid, volume = read_grid(path), read(path)
            assert grid.shape == volume.grid.shape
            assert np.array_equal(grid.affine, volume.affine)


def test_the_pair_is_found_once(segkit_data):
    found = [path.name for path in find_volumes(segkit_data / "nifti_oddities" / "formats")]
    assert "ras.hdr" in found
    assert "ras.img" not in found
