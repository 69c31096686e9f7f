"""Figures by hand, against two independent implementations, and the laws that any distance between surfaces obeys."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from segkit.evaluation.surfaces.distances import surface_distances
from segkit.evaluation.surfaces.elements import boundary_of, elements_of

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 0.5, 5.0), (1.3, 0.7, 2.1)]
CONVENTIONS = ("area", "voxel")
masks = hnp.arrays(bool, st.sampled_from([(4, 5), (3, 4, 3)]))


def steps_of(spacing, dims=3):
    return np.eye(3)[:, :dims] * np.array(spacing[:dims])


def blob(random, shape, sigma=2.0):
    field = ndimage.gaussian_filter(random.standard_normal(shape), sigma)
    return field > np.quantile(field, 0.8)


def box(shape, low, high):
    mask = np.zeros(shape, bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def figures(found, tolerance=1.0):
    return {
        "hd": found.hausdorff(),
        "hd95": found.hausdorff(95),
        "pooled": found.hausdorff(95, pooled=True),
        "assd": found.assd,
        "masd": found.masd,
        "nsd": found.surface_dice(tolerance),
    }


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_weighted_elements_equal_surface_distance(dims, spacing):
    theirs = pytest.importorskip("surface_distance")
    random = np.random.default_rng(dims)
    shape = (40, 50) if dims == 2 else (24, 30, 20)
    mask, reference = blob(random, shape), blob(random, shape)
    found = figures(surface_distances(mask, reference, steps_of(spacing, dims)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it calls SciPy by its former names
        seen = theirs.compute_surface_distances(reference, mask, spacing[:dims])
    assert found["hd"] == pytest.approx(theirs.compute_robust_hausdorff(seen, 100), rel=1e-9)
    assert found["hd95"] == pytest.approx(theirs.compute_robust_hausdorff(seen, 95), rel=1e-9)
    assert found["masd"] == pytest.approx(np.mean(theirs.compute_average_surface_distance(seen)), rel=1e-9)
    assert found["nsd"] == pytest.approx(theirs.compute_surface_dice_at_tolerance(seen, 1.0), rel=1e-9)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_boundary_voxels_equal_monai(dims, spacing):
    theirs = pytest.importorskip("monai.metrics")
    import torch

    random = np.random.default_rng(dims)
    shape = (40, 50) if dims == 2 else (24, 30, 20)
    mask, reference = blob(random, shape), blob(random, shape)
    found = figures(surface_distances(mask, reference, steps_of(spacing, dims), "voxel"))
    pair = [torch.tensor(array)[None, None].float() for array in (mask, reference)]
    said = {"include_background": True, "spacing": spacing[:dims]}
    assert found["hd"] == pytest.approx(float(theirs.compute_hausdorff_distance(*pair, **said)), rel=1e-6)
    assert found["hd95"] == pytest.approx(
        float(theirs.compute_hausdorff_distance(*pair, percentile=95, **said)), rel=1e-6
    )
    average = theirs.compute_average_surface_distance(*pair, symmetric=True, **said)
    assert found["assd"] == pytest.approx(float(average), rel=1e-6)
    assert found["nsd"] == pytest.approx(float(theirs.compute_surface_dice(*pair, [1.0], **said)), rel=1e-6)


def by_distance_transform(mask, reference, spacing):
    """As MedPy finds them: the distance transform around one boundary, read at the other."""
    edges = [array ^ ndimage.binary_erosion(array) for array in (mask, reference)]
    around = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return around[1][edges[0]], around[0][edges[1]]


@pytest.mark.parametrize("spacing", SPACINGS)
def test_pooled_figures_equal_a_distance_transform(spacing):
    random = np.random.default_rng(5)
    mask, reference = blob(random, (24, 30, 20)), blob(random, (24, 30, 20))
    found = figures(surface_distances(mask, reference, steps_of(spacing), "voxel"))
    there, back = by_distance_transform(mask, reference, spacing)
    both = np.concatenate([there, back])
    assert found["pooled"] == pytest.approx(np.percentile(both, 95))
    assert found["assd"] == pytest.approx(both.mean())
    assert found["masd"] == pytest.approx((there.mean() + back.mean()) / 2)


def test_islands_far_away_are_looked_up_exactly():
    random = np.random.default_rng(2)
    reference = box((60, 60, 40), (5, 5, 5), (12, 15, 9))
    mask = reference.copy()
    for place in random.integers(0, (58, 58, 38), (60, 3)):
        mask[tuple(slice(start, start + 2) for start in place)] = True
    found = surface_distances(mask, reference, steps_of((0.5, 0.5, 5.0)), "voxel")
    there, back = by_distance_transform(mask, reference, (0.5, 0.5, 5.0))
    assert found.from_mask.distances == pytest.approx(np.sort(there))
    assert found.from_reference.distances == pytest.approx(np.sort(back))


def test_a_shifted_box_by_hand():
    # Two boxes of 4x4x4 voxels, 3 voxels apart along the second axis: each far face is 3 x 2 mm from the other box.
    one, other = box((10, 20, 10), (3, 3, 3), (7, 7, 7)), box((10, 20, 10), (3, 6, 3), (7, 10, 7))
    found = figures(surface_distances(one, other, steps_of((1.0, 2.0, 3.0)), "voxel"))
    assert found["hd"] == 6
    assert found["nsd"] < 1
    assert figures(surface_distances(one, one, steps_of((1.0, 2.0, 3.0))))["hd"] == 0


def test_parallel_plates_are_everywhere_equally_far():
    # Both reach the image's border, beyond which is outside.
    one, other = box((6, 6, 12), (0, 0, 2), (6, 6, 3)), box((6, 6, 12), (0, 0, 7), (6, 6, 8))
    for convention in CONVENTIONS:
        found = figures(surface_distances(one, other, steps_of((0.5, 0.5, 5.0)), convention), tolerance=25.0)
        nearest = 25.0 if convention == "voxel" else found["hd"]
        assert found["hd"] == nearest
    assert figures(surface_distances(one, other, steps_of((0.5, 0.5, 5.0)), "voxel"), tolerance=25.0) == {
        "hd": 25, "hd95": 25, "pooled": 25, "assd": 25, "masd": 25, "nsd": 1,
    }  # fmt: skip


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_single_voxels(convention):
    one, other = np.zeros((2, 9, 9, 9), bool)
    one[1, 1, 1] = other[4, 5, 1] = True
    found = figures(surface_distances(one, other, steps_of((1.0, 1.0, 5.0)), convention))
    far = 5.0 if convention == "voxel" else math.hypot(3, 4)  # corner to corner, when each voxel has eight elements
    assert found["hd"] == pytest.approx(far)
    assert elements_of(one, steps_of((1.0, 1.0, 5.0)), convention).places.size == (1 if convention == "voxel" else 8)


def test_spheres_within_each_other():
    axes = np.ogrid[-30:31, -30:31, -30:31]
    away = sum(axis**2 for axis in axes)
    inner, outer = away <= 15**2, away <= 25**2
    for convention in CONVENTIONS:
        found = figures(surface_distances(inner, outer, np.eye(3), convention), tolerance=9.0)
        assert found["hd"] == pytest.approx(10, abs=1)
        assert found["assd"] == pytest.approx(10, abs=0.7)
        assert found["nsd"] < 0.05


def test_the_area_of_a_sphere_is_right():
    axes = np.ogrid[-20:21, -20:21, -8:9]
    sphere = axes[0] ** 2 + axes[1] ** 2 + (axes[2] * 2.5) ** 2 <= 18**2
    area = elements_of(sphere, steps_of((1.0, 1.0, 2.5)), "area").weights.sum()
    assert area == pytest.approx(4 * math.pi * 18**2, rel=0.2)  # steps of a binary surface are longer than its slope


def test_a_sheared_grid_is_measured_in_mm():
    sheared = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])
    one, other = np.zeros((2, 7, 5, 7), bool)
    one[2, 2, 1], other[3, 2, 5] = True, True
    found = surface_distances(one, other, sheared, "voxel")
    assert found.hausdorff() == pytest.approx(math.hypot(1 + 4 * 0.5, 8))


def test_an_empty_mask_has_no_surface():
    with pytest.raises(ValueError, match="no surface"):
        surface_distances(np.zeros((3, 3), bool), np.ones((3, 3), bool), steps_of((1.0, 1.0), 2))


def test_three_steps_of_a_tenth_are_within_three_tenths():
    one, other = box((9, 9, 9), (1, 1, 1), (4, 4, 4)), box((9, 9, 9), (4, 1, 1), (7, 4, 4))
    assert surface_distances(one, other, np.eye(3) * 0.1, "voxel").surface_dice(0.3) == 1


@given(masks, st.data(), st.sampled_from(CONVENTIONS), st.sampled_from(SPACINGS))
@settings(max_examples=60, deadline=None)
def test_laws(mask, drawn, convention, spacing):
    reference = drawn.draw(hnp.arrays(bool, mask.shape))
    assume(mask.any() and reference.any())
    dims = mask.ndim
    steps = steps_of(spacing, dims)
    there = figures(surface_distances(mask, reference, steps, convention))
    assert figures(surface_distances(reference, mask, steps, convention)) == pytest.approx(there)
    same = figures(surface_distances(mask, mask, steps, convention))
    assert same == {"hd": 0, "hd95": 0, "pooled": 0, "assd": 0, "masd": 0, "nsd": 1}
    assert there["assd"] <= there["hd"] + 1e-9
    assert 0 <= there["nsd"] <= 1
    twice = figures(surface_distances(mask, reference, 2 * steps, convention), tolerance=2.0)
    assert twice == pytest.approx({name: value * (1 if name == "nsd" else 2) for name, value in there.items()})
    axis = drawn.draw(st.integers(0, dims - 1))
    flipped = surface_distances(np.flip(mask, axis), np.flip(reference, axis), steps, convention)
    assert figures(flipped) == pytest.approx(there)
    turned_steps = steps[:, [1, 0, *range(2, dims)]]
    turned = surface_distances(np.rot90(mask), np.rot90(reference), turned_steps, convention)
    assert figures(turned) == pytest.approx(there)


@given(masks)
@settings(max_examples=40, deadline=None)
def test_boundary_voxels_are_what_erosion_takes_away(mask):
    assert np.array_equal(boundary_of(mask), mask & ~ndimage.binary_erosion(mask))
