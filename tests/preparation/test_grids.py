from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError
from segkit.preparation.grids import cropped, nonzero_box, orthogonal, reoriented, respaced, target_grid
from segkit.preparation.resampling import image_onto
from segkit.volumes.grid import Grid, affine_from, as_3d

ORIENTATIONS = [
    "".join(codes) for order in permutations(("LR", "PA", "IS")) for codes in product(*order)
]  # 6 orders of axes, 8 directions
SPACINGS = st.floats(0.2, 6.0)


def oblique(spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    """Axes turned by 20 degrees about x and 10 about z, spacing in mm."""
    a, b = np.deg2rad([20, 10])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = affine_from((1, 1, 1), (-10, 20, 5))
    affine[:3, :3] = about_z @ about_x * np.asarray(spacing)
    return affine


def corners(grid: Grid) -> np.ndarray:
    """The eight outer corners of a grid in mm, (8, 3), sorted."""
    indices = np.array(list(product(*[(-0.5, size - 0.5) for size in grid.shape])))
    places = indices @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return places[np.lexsort(np.round(places, 6).T)]


@pytest.mark.parametrize("stored", ORIENTATIONS)
def test_all_orientations_become_ras_as_nibabel_does_it(stored):
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    codes = nib.orientations.axcodes2ornt(tuple(stored))
    affine = oblique((0.5, 1.5, 4.0)) @ nib.orientations.inv_ornt_aff(codes, (2, 3, 4))
    canonical = nib.as_closest_canonical(nib.Nifti1Image(voxels, affine))
    source = Grid((2, 3, 4), affine)
    target = reoriented(source, "RAS")
    assert target.shape == canonical.shape
    np.testing.assert_allclose(target.affine, canonical.affine, atol=1e-12)
    assert np.array_equal(image_onto(voxels, source, target), canonical.get_fdata())


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_a_grid_turns_to_any_orientation_and_back(codes):
    source = Grid((2, 3, 4), oblique((0.5, 1.5, 4.0)))
    turned = reoriented(source, codes)
    assert "".join(nib.aff2axcodes(turned.affine)) == codes
    back = reoriented(turned, "".join(nib.aff2axcodes(source.affine)))
    back.check_same_as(source, what="the grid and itself")


def test_reorienting_by_hand():
    turned = reoriented(Grid((2, 3, 4), affine_from((1, 2, 5), (10, 20, 30))), "SLP")
    assert turned.shape == (4, 2, 3)
    assert turned.affine.tolist() == [[0, -1, 0, 11], [0, 0, -2, 24], [5, 0, 0, 30], [0, 0, 0, 1]]
    kept = Grid((2, 3, 4), np.eye(4))
    assert reoriented(kept, None) is kept


@pytest.mark.parametrize("codes", ["", "RA", "RASX", "RAR", "RAL", "ras", "XYZ"])
def test_what_names_no_orientation_is_refused(codes):
    with pytest.raises(DataError, match=r"plan\.orientation"):
        reoriented(Grid((2, 3, 4), np.eye(4)), codes)


def test_respacing_by_hand():
    # Four voxels of 1 mm from -0.5 to 3.5 mm become two of 2 mm, centred at 0.5 and 2.5 mm.
    halved = respaced(Grid((4, 4, 5), affine_from((1, 1, 3))), (2.0, None, 1.0))
    assert halved.shape == (2, 4, 15)
    assert halved.spacing == (2.0, 1.0, 1.0)
    assert halved.affine[:3, 3].tolist() == [0.5, 0.0, -1.0]


@given(st.tuples(*[st.integers(1, 40)] * 3), st.tuples(*[SPACINGS] * 3), st.tuples(*[st.none() | SPACINGS] * 3))
def test_respacing_keeps_the_outer_faces(shape, own, wanted):
    source = Grid(shape, oblique(own))
    target = respaced(source, wanted)
    np.testing.assert_allclose(corners(target), corners(source), atol=1e-6)
    for size, before, after, asked in zip(target.shape, own, target.spacing, wanted, strict=True):
        if asked is None:
            assert after == pytest.approx(before)
        elif size > 1:
            assert abs(after / asked - 1) <= 0.5 / (size - 0.5) + 1e-9  # no whole number of voxels comes nearer


def test_a_grid_that_has_the_spacing_stays_bit_for_bit():
    source = Grid((5, 6, 7), oblique((0.7, 0.7, 3.0)))
    target = respaced(source, source.spacing)
    assert target.shape == source.shape
    assert np.array_equal(target.affine, source.affine)


def test_cropping_by_hand():
    part = cropped(Grid((9, 9, 9), affine_from((1, 2, 5), (10, 20, 30))), (slice(2, 5), slice(0, 9), slice(8, 9)))
    assert part.shape == (3, 9, 1)
    assert part.affine[:3, 3].tolist() == [12, 20, 70]


def test_a_picture_is_one_slice():
    assert as_3d(Grid((5, 4), affine_from((2, 3)))).shape == (5, 4, 1)
    volume = Grid((5, 4, 3), np.eye(4))
    assert as_3d(volume) is volume


def test_a_tilted_grid_is_covered_by_an_orthogonal_one():
    # Slices 4 mm apart along a gantry tilted so that each lies 3 mm further along y: 5 mm from origin to origin.
    affine = affine_from((1, 1, 1))
    affine[:3, 2] = 0, 3, 4
    target = orthogonal(Grid((6, 10, 3), affine))
    assert target.spacing == pytest.approx((1.0, 1.0, 4.0))
    assert target.shape == (6, 19, 3)  # 10 rows, 2 slices x 3 mm of tilt, and 3 mm of half slices at both ends
    np.testing.assert_allclose(target.affine[:3, :3], np.diag([1.0, 1.0, 4.0]), atol=1e-12)
    np.testing.assert_allclose(target.affine[:3, 3], [0.0, -1.5, 0.0], atol=1e-12)


@given(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8), st.sampled_from(ORIENTATIONS))
def test_an_orthogonal_grid_holds_every_voxel_of_the_sheared_one(along_x, along_y, codes):
    affine = oblique((0.8, 1.1, 2.5))
    affine[:3, 2] += along_x * affine[:3, 0] + along_y * affine[:3, 1]
    source = reoriented(Grid((7, 5, 4), affine), codes)
    target = orthogonal(source)
    assert not target.is_sheared
    linear = source.index_to(target)
    places = np.array(list(product(*[(-0.5, size - 0.5) for size in source.shape]))) @ linear[:3, :3].T + linear[:3, 3]
    assert (places >= -0.5 - 1e-6).all()
    assert (places <= np.array(target.shape) - 0.5 + 1e-5).all()


def test_an_orthogonal_grid_stays():
    grid = Grid((5, 4, 3), oblique((0.8, 0.8, 5)))
    assert orthogonal(grid) is grid


def test_the_target_grid_is_oriented_first_so_that_spacing_is_per_prepared_axis():
    plan = Plan(
        3, "RAS", (1.0, 2.0, 3.0), (8, 8, 8), 1, ((1, 1, 1),), ((3, 3, 3),), {"MR": Normalisation("zscore")}
    )  # fmt: skip
    stored = reoriented(Grid((12, 12, 12), affine_from((3, 3, 3))), "SPL")
    assert target_grid(stored, plan).spacing == pytest.approx((1.0, 2.0, 3.0))
    assert target_grid(stored, plan).shape == (36, 18, 12)


def test_the_box_of_what_is_not_zero():
    array = np.zeros((2, 6, 5, 4))
    array[0, 2, 1, 3] = -7
    array[1, 4, 3, 3] = 1e-9
    assert nonzero_box(array) == (slice(2, 5), slice(1, 4), slice(3, 4))
    assert nonzero_box(np.zeros((1, 6, 5, 4))) == (slice(0, 6), slice(0, 5), slice(0, 4))
    assert nonzero_box(np.ones((1, 6, 5, 4))) == (slice(0, 6), slice(0, 5), slice(0, 4))
