import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.datasets.phantom.shapes import bent, common, ellipsoid, layer, tube, union, without


def lattice(step: float = 2.0, reach: float = 40.0) -> np.ndarray:
    line = np.arange(-reach, reach + step / 2, step)
    return np.stack(np.meshgrid(line, line, line, indexing="ij")).astype(np.float32)


def at(*places: tuple[float, float, float]) -> np.ndarray:
    return np.array(places, np.float32).T.reshape(3, -1, 1, 1)


def test_a_sphere_is_its_exact_distance():
    points = at((0, 3, 0), (10, 0, 0), (0, 0, 17))
    np.testing.assert_allclose(ellipsoid(points, (0, 0, 0), (10, 10, 10)).ravel(), [-7, 0, 7], atol=1e-5)


def test_two_radii_make_an_endless_cylinder():
    points = at((5, 0, -900), (5, 0, 900), (9, 0, 3))
    np.testing.assert_allclose(ellipsoid(points, (1, 0), (4, 4)).ravel(), [0, 0, 4], atol=1e-5)


def test_an_ellipsoid_holds_its_volume_and_turns():
    points = lattice()
    for tilt in ((), (20, -30, 50)):
        voxels = (ellipsoid(points, (1, -2, 3), (12, 20, 30), tilt) < 0).sum()
        assert voxels * 2.0**3 == pytest.approx(4 / 3 * np.pi * 12 * 20 * 30, rel=0.02)
    tip = ellipsoid(at((0, 30, 0), (30, 0, 0)), (0, 0, 0), (30, 10, 10), (0, 0, 90)).ravel()
    assert tip[0] == pytest.approx(0, abs=1e-4)  # 90 degrees about z take x to y
    assert tip[1] > 10


def test_an_ellipsoids_field_is_a_distance_near_its_surface():
    radii = np.array([14.0, 22, 30])
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(200, 3))
    surface = directions / np.linalg.norm(directions, axis=1, keepdims=True) * radii
    normals = surface / radii**2
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for off in (-1.0, 1.0):
        field = ellipsoid((surface + off * normals).T.reshape(3, -1, 1, 1).astype(np.float32), (0, 0, 0), radii)
        np.testing.assert_allclose(field.ravel(), off, atol=0.15)


def test_a_tube_has_round_ends():
    points = at((5, 3, 0), (-4, 0, 0), (13, 4, 0))
    np.testing.assert_allclose(tube(points, (0, 0, 0), (10, 0, 0), 2).ravel(), [1, 2, 3], atol=1e-5)


def test_shapes_combine_as_sets():
    points = lattice(4.0)
    first, second = ellipsoid(points, (-6, 0, 0), (15, 15, 15)), ellipsoid(points, (8, 0, 0), (12, 18, 12))
    one, other = first < 0, second < 0
    np.testing.assert_array_equal(union(first, second) < 0, one | other)
    np.testing.assert_array_equal(common(first, second) < 0, one & other)
    np.testing.assert_array_equal(without(first, second) < 0, one & ~(second <= 0))
    np.testing.assert_array_equal(layer(first, 3) < 0, np.abs(first) < 3)
    blended = union(first, second, blend=10)
    assert (blended <= union(first, second) + 1e-5).all()
    assert blended.min() >= min(first.min(), second.min()) - 2.5  # a quarter of the blend at most


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), amplitude=st.floats(0.5, 5))
def test_bending_is_smooth_never_folds_and_is_as_strong_as_asked(seed: int, amplitude: float):
    points = lattice(8.0, 160)
    moved = bent(points, np.random.default_rng(seed), amplitude=amplitude)
    columns = [np.stack(np.gradient(moved[axis], 8.0)) for axis in range(3)]
    determinants = np.linalg.det(np.moveaxis(np.stack(columns), (0, 1), (-2, -1)))
    assert determinants.min() > 0
    assert 0.3 * amplitude < (moved - points).std() < 2.5 * amplitude
