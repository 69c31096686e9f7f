import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.foundation.errors import GeometryError
from segkit.volumes.grid import Grid, affine_from, affine_from_steps
from segkit.volumes.volume import Volume


def test_the_volume_of_a_voxel_is_that_of_its_parallelepiped():
    sheared = affine_from((0.5, 2.0, 3.0))
    sheared[1, 2] = 0.7  # a slanted cell has the volume of the straight one
    assert Grid((2, 2, 2), sheared).voxel_mm3 == pytest.approx(3.0)
    assert Grid((2, 2, 2), affine_from((-1.0, 1.0, 2.5))).voxel_mm3 == pytest.approx(2.5)
    assert Grid((2, 2), affine_from((0.5, 0.5))).voxel_mm3 == pytest.approx(0.25)  # a picture is 1 mm thick


def test_spacing_shear_and_dims(oblique, sheared):
    straight, tilted = Grid((5, 4, 3), oblique), Grid((5, 4, 3), sheared)
    np.testing.assert_allclose(straight.spacing, (0.8, 1.25, 3.0))
    assert (straight.is_sheared, tilted.is_sheared) == (False, True)
    assert Grid((5, 4), affine_from((2, 3), (7, 8))).spacing == (2.0, 3.0)


def test_index_to_another_grid_by_hand():
    fine, coarse = Grid((8, 8, 8), affine_from((1, 1, 1))), Grid((4, 4, 4), affine_from((2, 2, 2), (1, 1, 1)))
    assert (fine.index_to(coarse) @ [3, 3, 3, 1]).tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((5,), np.eye(4)),
        ((5, 0, 3), np.eye(4)),
        ((5, 4, 3), np.eye(3)),
        ((5, 4, 3), np.full((4, 4), np.nan)),
        ((5, 4, 3), np.diag([1, 1, 0, 1])),
        ((5, 4, 3), np.diag([1, 1, 1, 1.001])),
    ],
)
def test_what_is_no_grid_is_refused(shape, affine):
    with pytest.raises(GeometryError):
        Grid(shape, affine)


def test_a_last_row_that_is_off_by_rounding_is_a_grids():
    assert Grid((5, 4, 3), np.diag([1, 1, 1, 1 + 1e-6])).spacing == (1, 1, 1)


def test_equal_grids_pass_and_others_say_how_far_off():
    grid = Grid((10, 10, 10), affine_from((1, 1, 1)))
    grid.check_same_as(Grid((10, 10, 10), affine_from((1, 1, 1), (1e-6, 0, 0))), what="a and b")
    with pytest.raises(GeometryError, match="a and b have the same shape but lie up to 3 mm apart"):
        grid.check_same_as(Grid((10, 10, 10), affine_from((1, 1, 1), (3, 0, 0))), what="a and b")
    with pytest.raises(GeometryError, match="different shapes"):
        grid.check_same_as(Grid((9, 10, 10), affine_from((1, 1, 1))), what="a and b")


def test_microscopes_are_held_to_their_own_scale():
    spacing = (4e-6, 4e-6, 4e-6)  # 4 nm
    with pytest.raises(GeometryError, match="apart"):
        Grid((9, 9, 9), affine_from(spacing)).check_same_as(
            Grid((9, 9, 9), affine_from(spacing, spacing)), what="a and b"
        )


@given(st.integers(2, 40), st.integers(2, 40), st.floats(-5, 5))
def test_displacement_is_the_largest_over_all_voxels(width, height, turn):
    first = Grid((width, height), affine_from((1.0, 2.0)))
    second = Grid((width, height), affine_from((1.0 + 0.01 * turn, 2.0), (0.1, turn)))
    indices = np.stack(np.meshgrid(range(width), range(height), indexing="ij"), axis=-1).reshape(-1, 2)
    homogeneous = np.column_stack([indices, np.zeros(len(indices)), np.ones(len(indices))])
    everywhere = np.linalg.norm(homogeneous @ (first.affine - second.affine).T, axis=1).max()
    assert first.displacement_from(second) == pytest.approx(everywhere)


@pytest.mark.parametrize(("space", "signs"), [("RAS", (1, 1)), ("LAS", (-1, 1)), ("LPS", (-1, -1))])
def test_steps_are_turned_to_ras(space, signs):
    affine = affine_from_steps([(2, 0, 0), (0, 3, 0), (0, 1, 4)], (5, 6, 7), space=space)
    x, y = signs
    assert affine.tolist() == [[2 * x, 0, 0, 5 * x], [0, 3 * y, 1 * y, 6 * y], [0, 0, 4, 7], [0, 0, 0, 1]]


def test_two_steps_get_their_unit_normal():
    affine = affine_from_steps([(0, 2), (3, 0)], (1, 1), space="RAS")
    assert affine[:3, 2].tolist() == [0, 0, -1]
    assert Grid((5, 4), affine).lies_flat
    assert not Grid((5, 4), affine_from_steps([(2, 0, 1), (0, 3, 0)], (0, 0, 0), space="RAS")).lies_flat


def test_a_volume_checks_that_array_and_grid_fit():
    with pytest.raises(GeometryError):
        Volume(np.zeros((1, 5, 4)), Grid((4, 5), np.eye(4)))
