"""Components of a label: by hand, beside SimpleITK, and beside naive versions over the whole volume."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from segkit.postprocessing.components import Connectivity, components_from, connected, largest_component

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=7))
EVERY = list(Connectivity)


def structure_of(inside, neighbours):
    """The neighbourhood written out: which steps of at most one along each axis connect."""
    steps = np.abs(np.stack(np.meshgrid(*[(-1, 0, 1)] * inside.ndim, indexing="ij"))).sum(0)
    return steps <= neighbours


def flooded(inside, neighbours):
    """Components as lists of voxels, each found by walking from its first voxel: no library."""
    steps = np.argwhere(structure_of(inside, neighbours)) - 1
    left, found = {tuple(map(int, voxel)) for voxel in np.argwhere(inside)}, []
    for first in sorted(left):
        if first in left:
            todo, members = [first], []
            left.discard(first)
            while todo:
                voxel = todo.pop()
                members.append(voxel)
                near = {tuple(int(v) for v in np.add(voxel, step)) for step in steps} & left
                left -= near
                todo += near
            found.append(members)
    return found


def drawn(shape, members):
    mask = np.zeros(shape, bool)
    for voxel in members:
        mask[voxel] = True
    return mask


@given(MASKS, st.sampled_from(EVERY))
def test_components_equal_those_found_by_walking(inside, neighbours):
    groups = flooded(inside, neighbours)
    labelled, count = connected(inside, neighbours)
    assert count == len(groups)
    for number, members in enumerate(groups, start=1):  # numbered by first voxel
        assert np.array_equal(labelled == number, drawn(inside.shape, members))


@given(MASKS)
def test_the_largest_is_the_first_of_the_largest(inside):
    groups = flooded(inside, Connectivity.CORNERS)
    expected = drawn(inside.shape, max(groups, key=len) if groups else [])  # `max` gives the first of equal ones
    assert np.array_equal(largest_component(inside), expected)


@given(MASKS, st.floats(0, 20))
def test_components_below_a_size_go(inside, least):
    groups = flooded(inside, Connectivity.CORNERS)
    expected = drawn(inside.shape, [voxel for group in groups if len(group) >= least for voxel in group])
    assert np.array_equal(components_from(inside, least), expected)


@pytest.mark.parametrize("seed", range(5))
def test_simpleitk_finds_the_same_largest_and_small_ones(seed):
    inside = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(20, 18, 16)), 1) > 0.15
    numbered = SimpleITK.ConnectedComponent(
        SimpleITK.GetImageFromArray(inside.astype(np.uint8)), True
    )  # True: 26 neighbours
    by_size = SimpleITK.GetArrayFromImage(SimpleITK.RelabelComponent(numbered, sortByObjectSize=True))
    sizes = np.bincount(by_size.ravel())[1:]
    assert sizes[0] > sizes[1]
    assert np.array_equal(largest_component(inside), by_size == 1)
    kept = SimpleITK.GetArrayFromImage(SimpleITK.RelabelComponent(numbered, 8, True)) > 0
    assert 0 < kept.sum() < inside.sum()
    assert np.array_equal(components_from(inside, 8), kept)


def test_monai_keeps_the_same():
    pytest.importorskip("skimage", reason="MONAI's components need scikit-image")
    from monai.transforms import KeepLargestConnectedComponent, RemoveSmallObjects

    inside = np.random.default_rng(3).random((14, 13, 12)) > 0.92
    largest = KeepLargestConnectedComponent(connectivity=3)(inside[None].astype(np.uint8))
    assert np.array_equal(largest_component(inside), largest[0].astype(bool))
    # Half a voxel less, since scikit-image 0.26 removes what has just `min_size` voxels too, and earlier ones do not.
    large = RemoveSmallObjects(min_size=3.5, connectivity=3)(inside[None].astype(np.uint8))
    assert 0 < large.sum() < inside.sum()
    assert np.array_equal(components_from(inside, 4), large[0].astype(bool))


def test_corners_and_faces_by_hand():
    pair = np.zeros((2, 2, 2), bool)
    pair[0, 0, 0] = pair[1, 1, 1] = True
    assert [connected(pair, neighbours)[1] for neighbours in EVERY] == [2, 1]
    pair[1, 1, 1], pair[0, 1, 1] = False, True
    assert [connected(pair, neighbours)[1] for neighbours in EVERY] == [2, 1]
    flat = np.eye(2, dtype=bool)
    assert [connected(flat, neighbours)[1] for neighbours in EVERY] == [2, 1]
    assert [connected(flat[..., None], neighbours)[1] for neighbours in EVERY] == [2, 1]
