"""Small regions by hand, and what may not depend on how an array lies."""

import importlib
import math
from itertools import permutations

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segkit.evaluation import features
from segkit.evaluation.features import Family, columns_of, families, features_of, features_of_nothing
from segkit.evaluation.features.intensity import histogram_of, intensity
from segkit.evaluation.regions import Region
from segkit.foundation.errors import UsageError
from segkit.volumes.grid import Grid, affine_from

OF_THE_ARRAY = {f"{end}_{axis}" for end in ("first", "last") for axis in "ijk"}
OF_THE_MESH = {"mesh_volume_ml", "surface_mm2", "surface_to_volume_per_mm", "sphericity"}


def measured(mask, affine, image=None) -> dict:
    places = np.argwhere(mask)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    region = Region(mask[box], tuple(map(int, low)), Grid(mask.shape, affine), image)
    return features_of(region, {} if image is None else {"image": region})


def test_a_voxel_on_an_anisotropic_grid():
    mask = np.zeros((3, 4, 5), bool)
    mask[1, 2, 3] = True
    found = measured(mask, affine_from((1.0, 2.0, 5.0), (-3.0, 4.0, 10.0)), np.full(mask.shape, 7.0))
    assert found["volume_ml"] == pytest.approx(0.01)
    assert found["mesh_volume_ml"] == pytest.approx(0.01 / 6)
    assert (found["voxels"], found["components"]) == (1, 1)
    assert [found[f"centroid_{axis}_mm"] for axis in "xyz"] == [-2, 8, 25]
    assert [found[f"low_{axis}_mm"] for axis in "xyz"] == [-2.5, 7, 22.5]
    assert [found[f"high_{axis}_mm"] for axis in "xyz"] == [-1.5, 9, 27.5]
    assert [found[f"first_{axis}"] for axis in "ijk"] == [found[f"last_{axis}"] for axis in "ijk"] == [1, 2, 3]
    diameters = ("maximum_diameter_mm", *(f"maximum_diameter_{plane}_mm" for plane in ("axial", "coronal", "sagittal")))
    assert [found[name] for name in diameters] == [5, 2, 5, 5]
    assert [found[name] for name in ("elongation", "flatness", "skewness", "kurtosis")] == [None] * 4
    assert [found[name] for name in ("mean", "variance", "entropy", "uniformity")] == [7, 0, 0, 1]
    assert (found["energy"], found["total_energy"], found["root_mean_square"]) == pytest.approx((49, 490, 7))


def test_a_block_of_eight():
    found = measured(np.ones((2, 2, 2), bool), np.eye(4))
    assert found["volume_ml"] == 0.008
    assert found["maximum_diameter_mm"] == pytest.approx(math.sqrt(6))  # from (-.5, 0, 0) to (1.5, 1, 1)
    assert found["maximum_diameter_axial_mm"] == pytest.approx(math.sqrt(5))
    assert (found["major_axis_mm"], found["elongation"], found["flatness"]) == pytest.approx((2, 1, 1))
    surface, volume = 6 + 12 * math.sqrt(0.5) + math.sqrt(3), 8 - 1.5 - 8 * 5 / 48
    assert found["sphericity"] == pytest.approx((36 * math.pi * volume**2) ** (1 / 3) / surface)


def test_planes_are_told_by_the_body_on_an_oblique_grid():
    turn = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)], [1, 0, 0]]) * [
        3,
        1,
        2,
    ]
    mask = np.ones((4, 1, 1), bool)  # along the array's first axis, foot to head
    found = measured(mask, affine)
    assert found["maximum_diameter_axial_mm"] == pytest.approx(2)
    assert found["maximum_diameter_sagittal_mm"] == found["maximum_diameter_coronal_mm"] == pytest.approx(12)
    assert found["high_z_mm"] - found["low_z_mm"] == pytest.approx(12)


def test_a_picture():
    mask = np.zeros((4, 3), bool)
    mask[1:3, 1] = True
    found = measured(mask, affine_from((2.0, 3.0)))
    assert (found["voxels"], found["area_mm2"], found["mesh_area_mm2"]) == (2, 12, 9)
    assert found["perimeter_mm"] == pytest.approx(2 * 2 + 4 * math.hypot(1, 1.5))
    assert (found["maximum_diameter_mm"], found["major_axis_mm"], found["minor_axis_mm"]) == (4, 4, 0)
    assert "surface_mm2" not in found
    assert "first_k" not in found


def crosswise(mask: np.ndarray) -> bool:
    """Say whether a face of four voxels has both inside ones on one diagonal."""
    for axis in range(3):
        m = np.moveaxis(np.pad(mask, 1), axis, 0)
        a, b, c, d = m[:, :-1, :-1], m[:, 1:, 1:], m[:, 1:, :-1], m[:, :-1, 1:]
        if ((a == b) & (c == d) & (a != c)).any():
            return True
    return False


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.booleans(), st.sampled_from(list(permutations(range(3)))), st.tuples(*[st.booleans()] * 3)
)
def test_flips_and_the_order_of_axes_change_nothing(seed, cubic, order, flips):
    random = np.random.default_rng(seed)
    size = random.integers(3, 8, 3)
    centre, radii = random.uniform(0, size), random.uniform(1, 4, 3)
    mask = sum(((np.indices(size)[axis] - centre[axis]) / radii[axis]) ** 2 for axis in range(3)) <= 1
    assume(mask.any())
    image = random.normal(40, 100, size)
    spacing = (1.5, 1.5, 1.5) if cubic else tuple(random.uniform(0.5, 5, 3))
    affine = affine_from(spacing, tuple(random.normal(size=3)))
    turned, turned_image, turned_affine = mask.transpose(order), image.transpose(order), affine.copy()
    turned_affine[:3, :3] = affine[:3, list(order)]
    for axis in np.flatnonzero(flips):
        turned, turned_image = np.flip(turned, axis), np.flip(turned_image, axis)
        turned_affine[:3, 3] += turned_affine[:3, axis] * (turned.shape[axis] - 1)
        turned_affine[:3, axis] *= -1
    before, after = measured(mask, affine, image), measured(turned, turned_affine, turned_image)
    same = before.keys() - OF_THE_ARRAY - (set() if cubic and not crosswise(mask) else OF_THE_MESH)
    for name in same:
        if before[name] is None:  # the skewness of a single voxel
            assert after[name] is None, name
        else:
            assert after[name] == pytest.approx(before[name], rel=1e-9, abs=1e-9), name
    for name in OF_THE_MESH:
        assert after[name] == pytest.approx(before[name], rel=0.1), name


def test_statistics_equal_scipy_and_a_histogram_by_hand():
    values = np.random.default_rng(0).gamma(2, 50, 999)
    region = Region(np.ones((9, 111), bool), (0, 0), Grid((9, 111), np.eye(4)), values.reshape(9, 111))
    found = intensity(region)
    assert found["skewness"] == pytest.approx(scipy.stats.skew(values))
    assert found["kurtosis"] == pytest.approx(scipy.stats.kurtosis(values, fisher=False))
    assert found["interquartile_range"] == pytest.approx(scipy.stats.iqr(values))
    # Bins [-10, 0), [0, 10) and [10, 20) hold 1, 2 and 1 of four.
    assert histogram_of(np.array([-0.5, 0.0, 9.9, 10.0]), 10) == pytest.approx((1.5, 6 / 16))


def test_two_values_have_no_robust_deviation():
    region = Region(np.ones((2, 1), bool), (0, 0), Grid((2, 1), np.eye(4)), np.array([[1.0], [2.0]]))
    assert features_of(region, {"image": region})["robust_mean_absolute_deviation"] is None


def test_every_column_is_explained_in_its_module():
    for family in families():
        module = importlib.import_module(f"{features.__name__}.{family.name}")
        table = module.__doc__ or ""
        for column in {column for columns in family.columns.values() for column in columns}:
            assert column in table or column.replace("_y_", "_x_").replace("_z_", "_x_") in table


def test_channels_have_columns_of_their_own_and_nothing_is_zero():
    assert columns_of(3, ())[-1] == "flatness"
    assert columns_of(3, ("CT",))[-1] == "uniformity"
    assert {"T1_mean", "T2_mean"} < set(columns_of(2, ("T1", "T2")))
    assert features_of_nothing(3) == {"voxels": 0, "components": 0, "volume_ml": 0.0}
    assert features_of_nothing(2) == {"voxels": 0, "components": 0, "area_mm2": 0.0}


@pytest.mark.parametrize(
    ("family", "message"),
    [("no family", "is no segkit Family"), (Family("own", {3: ("voxels",)}, dict), "both have a column voxels")],
)
def test_families_of_third_parties(monkeypatch, family, message):
    entry = type("Entry", (), {"name": "own", "value": "own:FAMILY", "load": lambda self: family})()
    monkeypatch.setattr(features, "entry_points", lambda group: [entry])
    families.cache_clear()
    try:
        with pytest.raises(UsageError, match=message):
            families()
    finally:
        families.cache_clear()
