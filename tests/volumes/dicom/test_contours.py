"""Contours of a mask fill exactly that mask, by whoever's rule they are filled, and keep close to its border."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from matplotlib.path import Path
from scipy import ndimage
from skimage.draw import polygon2mask

from segkit.volumes.dicom.contours import MARGIN, border_of, contours_of
from segkit.volumes.dicom.polygons import filled

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=11))
EIGHT = np.ones((3, 3))


def smooth(seed, shape=(70, 60), share=0.5):
    """A mask of round patches with holes and islands, as organs are cut."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3)
    return field > np.quantile(field, 1 - share)


def by_skimage(polygons, shape):
    mask = np.zeros(shape, bool)
    for polygon in polygons:
        mask ^= polygon2mask(shape, polygon)
    return mask


def by_matplotlib(polygons, shape):
    centres = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 2)
    inside = [Path(np.vstack([each, each[:1]])).contains_points(centres) for each in polygons]
    return np.logical_xor.reduce([np.zeros(len(centres), bool), *inside]).reshape(shape)


def distances(points, polygon):
    """Distance of each point to the nearest edge of a closed polygon."""
    starts, steps = polygon, np.roll(polygon, -1, axis=0) - polygon
    lengths = np.maximum((steps**2).sum(axis=1), 1e-12)
    share = ((points[:, None] - starts) * steps).sum(axis=2) / lengths
    foot = starts + np.clip(share, 0, 1)[..., None] * steps
    return np.linalg.norm(points[:, None] - foot, axis=2).min(axis=1)


def cross_one_another(polygons):
    """Tell whether two edges meet anywhere but at a corner that they share."""
    edges = [edge for each in polygons for edge in zip(each, np.roll(each, -1, axis=0), strict=True)]

    def side(a, b, c):
        return np.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))

    return any(
        side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
        for number, (a, b) in enumerate(edges)
        for c, d in edges[:number]
    )


@given(MASKS)
@settings(deadline=None, max_examples=300)
def test_contours_fill_the_pixels_that_they_came_from(mask):
    polygons = contours_of(mask)
    assert np.array_equal(filled(polygons, mask.shape), mask)
    assert all(len(polygon) > 2 for polygon in polygons)


@given(MASKS)
@settings(deadline=None, max_examples=100)
def test_any_other_rule_fills_the_same_pixels(mask):
    solid = ndimage.binary_fill_holes(mask, EIGHT)  # on a channel other rules may differ: it runs through centres
    polygons = contours_of(solid)
    assert np.array_equal(by_matplotlib(polygons, mask.shape), solid)
    assert np.array_equal(by_skimage(polygons, mask.shape), solid)
    assert not cross_one_another(polygons)


@given(MASKS)
@settings(deadline=None, max_examples=100)
def test_there_is_one_polygon_for_each_region_and_none_overlaps_another(mask):
    polygons = contours_of(mask)
    regions, count = ndimage.label(mask, EIGHT)
    assert len(polygons) == count
    alone = [filled([polygon], mask.shape) for polygon in polygons]
    assert np.array_equal(np.sum([np.zeros(mask.shape), *alone], axis=0), mask)
    assert {int(regions[each].max()) for each in alone} == set(range(1, count + 1))


@pytest.mark.parametrize("seed", range(6))
def test_holes_and_islands_of_smooth_shapes_by_other_rules(seed):
    mask = smooth(seed, share=(0.3, 0.5, 0.7)[seed % 3])
    polygons = contours_of(mask)
    assert np.array_equal(by_skimage(polygons, mask.shape), mask)
    differs = by_matplotlib(polygons, mask.shape) != mask
    assert differs.sum() <= 0.001 * mask.sum()


@pytest.mark.parametrize("seed", range(6))
def test_edges_keep_within_half_a_pixel_of_the_border_and_clear_of_centres(seed):
    mask = ndimage.binary_fill_holes(smooth(seed, share=0.4), EIGHT)
    polygons = contours_of(mask)
    middles = border_of(mask).middles
    nearest = np.min([distances(middles, polygon) for polygon in polygons], axis=0)
    assert nearest.max() <= 0.5 - MARGIN
    centres = np.argwhere(np.ones(mask.shape))
    for polygon in polygons:
        # A gap is passed MARGIN beside a centre, measured along the gap: nearer by the cosine, at most of 45 degrees.
        assert distances(centres, polygon).min() >= MARGIN * np.sqrt(0.5)
        assert distances(polygon, middles[:, None].reshape(-1, 2)).max() < 1e-9
    assert sum(map(len, polygons)) < len(middles) / 2.5


def test_pixels_by_hand():
    one = np.zeros((3, 3), bool)
    one[1, 1] = True
    (diamond,) = contours_of(one)
    assert sorted(map(tuple, diamond)) == [(0.5, 1.0), (1.0, 0.5), (1.0, 1.5), (1.5, 1.0)]
    assert contours_of(np.zeros((4, 3), bool)) == []
    (around,) = contours_of(np.ones((1, 1), bool))
    assert sorted(map(tuple, around)) == [(-0.5, 0.0), (0.0, -0.5), (0.0, 0.5), (0.5, 0.0)]


def test_a_ring_is_one_polygon_whose_channel_runs_along_the_row_at_the_holes_left():
    ring = np.ones((5, 5), bool)
    ring[2, 2] = False
    (keyhole,) = contours_of(ring)
    corners = [tuple(corner) for corner in keyhole]
    for end in ((-0.5, 2.0), (1.5, 2.0)):
        assert corners.count(end) == 2
    assert {(2.0, 1.5), (2.5, 2.0), (2.0, 2.5)} <= set(corners)


@pytest.mark.parametrize(("radius", "error"), [(8, 0.004), (20, 0.001), (60, 0.0002)])
def test_round_shapes_keep_their_area_with_a_quarter_of_the_corners(radius, error):
    x, y = np.mgrid[:130, :130]
    disc = np.hypot(x - 64.2, y - 63.7) < radius
    (polygon,) = contours_of(disc)
    x, y = polygon.T
    assert (x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2 == pytest.approx(disc.sum(), rel=error)  # counterclockwise
    assert len(polygon) < 0.26 * len(border_of(disc).middles)


def test_nested_holes_and_islands():
    x, y = np.mgrid[:41, :41] - 20
    radius = np.hypot(x, y)
    rings = (radius < 19) & ~((radius > 5) & (radius < 8)) & ~((radius > 12) & (radius < 15))
    polygons = contours_of(rings)
    assert len(polygons) == 3
    assert np.array_equal(filled(polygons, rings.shape), rings)
    assert np.array_equal(by_skimage(polygons, rings.shape), rings)


def test_a_row_of_holes_is_strung_on_one_polygon():
    mask = np.ones((2001, 3), bool)
    mask[1::2, 1] = False  # a thousand, each of whose channels ends at the hole before it
    (polygon,) = contours_of(mask)
    assert np.array_equal(filled([polygon], mask.shape), mask)
