import numpy as np
import pytest

from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.target_spacing import median_spacing, target_grid_of
from tests.plan_options import plan_options


def grid_of(shapes, spacings, **options):
    shapes, spacings = np.atleast_2d(shapes), np.atleast_2d(spacings).astype(float)
    return target_grid_of(Fingerprint(shapes, spacings, np.zeros((1, 0), np.float32)), plan_options(**options))


def test_the_median_of_each_axis():
    spacing, thick = median_spacing(np.array([[1, 1, 1], [0.7, 1.2, 5], [0.8, 1.1, 3]]), np.full((3, 3), 40))
    assert (spacing.tolist(), thick) == ([0.8, 1.1, 3], None)


def test_thick_slices_take_the_tenth_percentile():
    # Eleven cases of 10, 9, ... 0 mm: the 10th percentile is 1 mm; the median, 5 mm, is more than three times 1.5.
    thick = np.stack([np.full(11, 1.0), np.full(11, 1.5), np.arange(11.0)], axis=1)
    few = np.tile([200, 200, 60], (11, 1))
    assert median_spacing(thick, few)[0].tolist() == [1, 1.5, 1.5]  # not below the other axes' own
    thick[:, 1] = 0.9
    spacing, axis = median_spacing(thick, few)
    assert (spacing.tolist(), axis) == ([1, 0.9, 1], 2)


@pytest.mark.parametrize(
    ("spacing", "size"),
    [
        ([1, 1, 3], [200, 200, 60]),
        ([1, 1.5, 4], [200, 200, 60]),
        ([1, 1, 5], [200, 200, 67]),
        ([1, 1, 5], [60, 200, 60]),
    ],
    ids=["three times is not more", "the coarser of the others counts", "many slices", "another axis is short too"],
)
def test_other_coarse_axes_keep_the_median(spacing, size):
    cases = np.array([[1, 1, 1], spacing, spacing])
    assert median_spacing(cases, np.tile(size, (3, 1))) == (pytest.approx(spacing), None)


def test_sizes_are_the_median_of_the_resampled_ones():
    # Resampled to 1 mm: 100, 80 and 90 voxels; their median is 90, though the median scan has 90 of 0.8 mm = 72.
    found = grid_of([[50, 1, 1], [100, 1, 1], [90, 1, 1]], [[2, 1, 1], [0.8, 1, 1], [1, 1, 1]])
    assert found.sizes.tolist() == [90, 1, 1]
    assert found.of_plan == (1, 1, 1)


def test_a_configured_spacing_stays():
    found = grid_of([60, 60, 20], [1, 1, 4], spacing=[2, 2, 3])
    assert found.of_plan == (2, 2, 3)
    assert (found.sizes.tolist(), found.thick) == ([30, 30, 27], None)


def test_slices_keep_their_own_spacing_across():
    found = grid_of([20, 320, 320], [3.6, 0.6, 0.6], dims=2)
    assert (found.slice_axis, found.seen) == (0, [1, 2])
    assert found.of_plan == (None, 0.6, 0.6)
    assert found.sizes.tolist() == [20, 320, 320]
    assert grid_of([64, 64, 64], [1, 1, 1], dims=2).slice_axis == 2
    assert grid_of([1, 64, 48], [1, 0.5, 0.5], dims=2).slice_axis == 0
    assert grid_of([64, 64, 64], [1, 1, 2], dims=2, patch=[32, 1, 16]).of_plan == (1, None, 2)


def test_coarser_begins_with_the_fine_axes():
    found = grid_of([100, 100, 100], [1, 1, 2.04]).coarser()
    assert found.of_plan == (1.03, 1.03, 2.04)
    assert found.sizes == pytest.approx([100 / 1.03, 100 / 1.03, 100])
    assert found.coarser().of_plan == pytest.approx((1.03**2, 1.03**2, 2.04 * 1.03))


def test_coarser_slices_are_coarser_in_their_plane():
    found = grid_of([100, 100, 30], [1, 1, 5], dims=2).coarser()
    assert found.of_plan == (1.03, 1.03, None)
    assert found.sizes == pytest.approx([100 / 1.03, 100 / 1.03, 30])
