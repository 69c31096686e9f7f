"""Polygons become the pixels whose centres lie inside, as matplotlib finds them one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path

from segkit.volumes.dicom import polygons
from segkit.volumes.dicom.polygons import filled

SHAPE = (9, 7)
OUTER = np.array([(0.5, 0.5), (6.5, 0.5), (6.5, 5.5), (0.5, 5.5)])  # columns 1 to 6, rows 1 to 5
HOLE = np.array([(2.5, 1.5), (4.5, 1.5), (4.5, 4.5), (2.5, 4.5)])  # columns 3 and 4, rows 2 to 4
ISLAND = np.array([(2.9, 2.9), (3.2, 2.9), (3.2, 3.2), (2.9, 3.2)])  # (3, 3)
FINE = st.floats(-4, 12, allow_nan=False, width=32)
COARSE = st.integers(-4, 24).map(lambda halves: halves / 2)  # many edges run through centres


def polygons_of(coordinate, most=4):
    corners = st.lists(st.tuples(coordinate, coordinate), min_size=0, max_size=12)
    return st.lists(corners.map(lambda points: np.array(points, np.float64).reshape(-1, 2)), max_size=most)


def centres(shape=SHAPE):
    return np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float64)


def by_matplotlib(several, shape=SHAPE):
    inside = np.zeros(len(centres(shape)), bool)
    for polygon in several:
        if len(polygon) > 2:
            inside ^= Path(np.vstack([polygon, polygon[:1]])).contains_points(centres(shape))
    return inside.reshape(shape)


def is_near_an_edge(several, distance=1e-3):
    """Return where a centre lies so close to an edge that floats decide on its side."""
    near = np.zeros(len(centres()), bool)
    for polygon in several:
        for start, end in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            along = (end - start) / (np.square(end - start).sum() or 1)
            foot = start + np.clip((centres() - start) @ along, 0, 1)[:, None] * (end - start)
            near |= np.linalg.norm(centres() - foot, axis=1) < distance
    return near.reshape(SHAPE)


def box(columns, rows):
    mask = np.zeros(SHAPE, bool)
    mask[columns, rows] = True
    return mask


@given(polygons_of(FINE))
@settings(deadline=None, max_examples=300)
def test_random_polygons_fill_as_matplotlib_fills_them(several):
    differs = filled(several, SHAPE) != by_matplotlib(several)
    assert not (differs & ~is_near_an_edge(several)).any()


@given(polygons_of(FINE), polygons_of(FINE))
@settings(deadline=None)
def test_polygons_combine_by_exclusive_or(some, others):
    assert np.array_equal(filled(some + others, SHAPE), filled(some, SHAPE) ^ filled(others, SHAPE))


@given(polygons_of(FINE | COARSE, most=1), st.integers(0, 11))
@settings(deadline=None)
def test_direction_and_first_corner_do_not_matter(several, shift):
    turned = [np.roll(polygon, shift, axis=0)[::-1] for polygon in several]
    assert np.array_equal(filled(turned, SHAPE), filled(several, SHAPE))


@given(st.tuples(COARSE, COARSE))
@settings(deadline=None)
def test_parts_that_share_edges_neither_overlap_nor_leave_a_gap(middle):
    corners = np.array([(-1.0, -1.0), (10.0, -1.0), (10.0, 8.0), (-1.0, 8.0)])
    inner = np.clip(middle, (-1, -1), (10, 8))
    parts = [np.array([corners[n], corners[(n + 1) % 4], inner]) for n in range(4)]
    assert (sum(filled([part], SHAPE).astype(int) for part in parts) == 1).all()


def test_a_square_a_hole_and_an_island():
    assert np.array_equal(filled([OUTER], SHAPE), box(slice(1, 7), slice(1, 6)))
    ring = box(slice(1, 7), slice(1, 6)) & ~box(slice(3, 5), slice(2, 5))
    assert np.array_equal(filled([OUTER, HOLE], SHAPE), ring)
    assert np.array_equal(filled([HOLE, ISLAND, OUTER], SHAPE), ring | box(3, 3))


def test_a_keyhole_is_a_hole_whose_channel_leaves_no_trace():
    channel = [OUTER[0], *HOLE[::-1], HOLE[3], OUTER[0]]  # oblique, there and back along one line
    keyhole = np.array([*OUTER, *channel])
    assert np.array_equal(filled([keyhole], SHAPE), filled([OUTER, HOLE], SHAPE))
    through_centres = np.array([(0, 0), (6, 0), (6, 6), (0, 6), (0, 0), (2, 2), (2, 4), (4, 4), (4, 2), (2, 2)], float)
    expected = box(slice(0, 6), slice(0, 6)) & ~box(slice(2, 4), slice(2, 4))
    assert np.array_equal(filled([through_centres], SHAPE), expected)


def test_a_centre_on_an_edge_belongs_to_the_side_of_larger_coordinates():
    square = np.array([(1, 2), (4, 2), (4, 5), (1, 5)], float)
    assert np.array_equal(filled([square], SHAPE), box(slice(1, 4), slice(2, 5)))


def test_what_leaves_the_image_is_cut_off():
    everywhere = np.array([(-1e6, -1e6), (1e6, -1e6), (1e6, 1e6), (-1e6, 1e6)])
    assert filled([everywhere], SHAPE).all()
    assert not filled([OUTER + far for far in ([20, 0], [0, -20], [0, 20], [-20, 0])], SHAPE).any()
    assert np.array_equal(filled([OUTER - [3, 0]], SHAPE), box(slice(0, 4), slice(1, 6)))


@pytest.mark.parametrize("several", [[], [np.empty((0, 2))], [OUTER[:1]], [OUTER[:2]], [OUTER[[0, 2, 0]]]])
def test_what_encloses_nothing_fills_nothing(several):
    mask = filled(several, SHAPE)
    assert mask.shape == SHAPE
    assert mask.dtype == np.bool_
    assert not mask.any()


def test_many_edges_are_worked_on_in_parts(monkeypatch):
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.stack([50 + 40.3 * np.cos(angles), 50 + 40.3 * np.sin(angles)], axis=1)
    whole = filled([circle, circle[::-1] / 2], (100, 100))
    monkeypatch.setattr(polygons, "AT_ONCE", 100)
    assert np.array_equal(filled([circle, circle[::-1] / 2], (100, 100)), whole)
    assert np.array_equal(whole, by_matplotlib([circle, circle / 2], (100, 100)))
