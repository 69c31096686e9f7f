import numpy as np
import pytest

from segkit.datasets.phantom.acquisition import draw_acquisition
from segkit.datasets.phantom.scanner import Tissue, _painted, _projection_noise, _ray_matrix, reference_of, scan
from segkit.foundation.counted import generator


def slab(shape: tuple[int, int, int], edge: float, spacing: float) -> np.ndarray:
    """Everything left of `edge` mm along the first axis."""
    field = np.arange(shape[0], dtype=np.float32) * spacing - edge
    return np.broadcast_to(field[:, None, None], shape)


def water_ellipse(columns: int, rows: int, slices: int) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows), indexing="ij")
    return np.repeat(np.where(np.hypot(x / 0.95, y / 0.6) < 1, 40, -1000)[..., None], slices, axis=2).astype(np.float32)


def test_the_topmost_tissue_gives_the_label():
    shape = (6, 2, 2)
    below, above = Tissue(slab(shape, 4.5, 1), 0, label=1), Tissue(slab(shape, 2.5, 1), 0, label=2)
    np.testing.assert_array_equal(reference_of([below, above])[:, 0, 0], [2, 2, 2, 1, 1, 0])


def test_a_voxel_on_a_surface_takes_its_share_of_both_sides():
    tissue = Tissue(slab((5, 3, 3), 4.0, 2.0), 100, mottle=0)
    painted = _painted([tissue], (2.0, 2.0, 2.0), np.random.default_rng(0))
    np.testing.assert_allclose(painted[:, 1, 1], [100, 100, (100 - 1000) / 2, -1000, -1000])


def test_projections_keep_each_slices_sum_in_every_view():
    image = np.random.default_rng(1).random((11 * 8, 2), np.float32)
    rays = _ray_matrix(11, 8)
    sums = (rays.T @ image).reshape(60, -1, 2).sum(axis=1)
    np.testing.assert_allclose(sums, np.broadcast_to(image.sum(axis=0), sums.shape), rtol=1e-5)


def test_the_first_view_projects_along_the_columns():
    image = np.random.default_rng(2).random((10, 7), np.float32)  # x = column, y = row
    projection = (_ray_matrix(10, 7).T @ image.reshape(-1, 1)).reshape(60, -1)[0]
    np.testing.assert_allclose(projection[projection > 0], image.sum(axis=1), rtol=1e-5)


def test_noise_has_the_level_asked_for_and_is_strongest_where_rays_are_weakest():
    body = water_ellipse(84, 60, 24)
    noise = _projection_noise(body, 3.5, np.random.default_rng(3), 10.0)
    middle = noise[28:-28, 20:-20]
    assert middle.std() == pytest.approx(10, rel=1e-3)
    assert abs(middle.mean()) < 1.5
    assert noise[36:48, 26:34].std() > 1.1 * noise[36:48, 2:8].std()  # inside the body, and in the air before it


def test_noise_is_streaked_along_the_longer_axis_and_not_across_slices():
    noise = _projection_noise(water_ellipse(84, 60, 40), 3.5, np.random.default_rng(4), 10.0)[20:-20, 15:-15]

    def correlation(axis: int, lag: int) -> float:
        first = np.take(noise, range(noise.shape[axis] - lag), axis)
        second = np.take(noise, range(lag, noise.shape[axis]), axis)
        return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])

    assert correlation(0, 2) > correlation(1, 2) + 0.03
    assert abs(correlation(2, 1)) < 0.03


def test_a_scan_keeps_means_and_the_range_of_ct_numbers():
    shape = (60, 60, 12)
    x, y = np.meshgrid(np.arange(60) * 3.0 - 88, np.arange(60) * 3.0 - 88, indexing="ij")
    field = np.repeat((np.hypot(x, y) - 70)[..., None], shape[2], axis=2).astype(np.float32)
    hu = scan([Tissue(field, 60)], (3.0, 3.0, 4.0), np.random.default_rng(5), noise=12.0)
    assert hu.dtype == np.int16
    assert hu.min() >= -1024
    assert hu[field < -10].mean() == pytest.approx(60, abs=3)


@pytest.mark.parametrize("index", range(12))
def test_acquisitions_are_orthonormal_and_of_the_size_a_small_machine_trains(index: int):
    scanned = draw_acquisition(generator(0, index), index)
    np.testing.assert_allclose(scanned.axes.T @ scanned.axes, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.cross(scanned.axes[:, 0], scanned.axes[:, 1]), scanned.axes[:, 2], atol=1e-12)
    assert 2.5 <= scanned.spacing[0] <= 4
    assert 3 <= scanned.spacing[2] <= 5
    assert all(low <= size <= high for size, low, high in zip(scanned.shape, (60, 48, 32), (104, 84, 42), strict=True))
    feet_first = scanned.axes[2, 2] < 0
    assert scanned.patient_position == ("FFS" if feet_first else "HFS")


def test_the_middle_of_the_grid_is_the_middle_of_the_body():
    scanned = draw_acquisition(generator(0, 5), 5)
    points = scanned.body_points()
    np.testing.assert_allclose(points.reshape(3, -1).mean(axis=1), 0, atol=1e-3)
    corner = np.array([3, 4, 5]) * scanned.spacing
    lps = scanned.origin + scanned.axes @ corner
    np.testing.assert_allclose(points[:, 3, 4, 5], (lps - scanned.centre) / scanned.habitus, atol=1e-3)
    np.testing.assert_allclose(scanned.slice_position(0), scanned.origin)
