import numpy as np
import pytest

from segkit.preparation.label_shares import Neighbours, largest_share, mixed_cells, neighbours


def at(*place) -> list[Neighbours]:
    """The neighbours of one place in a (2, 2, 2) map, as steps in it."""
    return [
        neighbours(np.array([value]), 2).at(slice(None), step) for value, step in zip(place, (4, 2, 1), strict=True)
    ]


def test_neighbours_by_hand():
    found = neighbours(np.array([-0.4, 0.25, 1.0, 2.3]), 3)
    assert found.low.tolist() == [0, 0, 1, 2]
    assert found.high.tolist() == [1, 1, 2, 2]
    assert found.share.tolist() == [0, 0.25, 0, 0]


def test_the_largest_share_wins():
    labels = np.array([7, 7, 7, 7, 3, 3, 3, 3])  # 7 below along the first axis, 3 above
    assert largest_share(labels, at(0.4, 0.5, 0.5)).tolist() == [7]
    assert largest_share(labels, at(0.6, 0.5, 0.5)).tolist() == [3]
    # A label of small parts wins together against a larger one: 4 at the corners 0, 3, 5, 6, the others different.
    assert largest_share(np.array([4, 1, 2, 4, 3, 4, 4, 9]), at(0.5, 0.5, 0.5)).tolist() == [4]


@pytest.mark.parametrize(("labels", "winner"), [([7, 3], 3), ([5, 0], 0), ([0, -2], 0), ([4, -2], -2), ([255, 1], 1)])
def test_of_equal_shares_background_wins_then_the_smaller(labels, winner):
    for ordered in (labels, labels[::-1]):
        assert largest_share(np.repeat(ordered, 4), at(0.5, 0.3, 0.8)).tolist() == [winner]


def test_cells_that_hold_more_than_one_label():
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[2, 1, 1] = 5
    mixed = mixed_cells(labels)
    assert np.argwhere(mixed).tolist() == [[x, y, z] for x in (1, 2) for y in (0, 1) for z in (0, 1)]
    assert not mixed_cells(np.full((3, 3, 3), 9)).any()
