import numpy as np
import pytest

from segkit.foundation.counted import generator
from segkit.preparation import positions
from segkit.preparation.positions import class_positions, position_limit


def class_by_class(reference, classes) -> list[np.ndarray]:
    """The same, found with one mask a class."""
    limit, found = position_limit(reference.size, classes), []
    for index in range(1, classes):
        flat = np.flatnonzero(reference == index)
        if flat.size > limit:
            flat = np.sort(generator(index).choice(flat, limit, replace=False))
        found.append(np.stack(np.unravel_index(flat, reference.shape), axis=1))
    return found


def test_positions_by_hand():
    reference = np.array([[[0, 2], [1, 255]], [[2, 2], [0, 1]]], np.uint8)
    first, second, third = class_positions(reference, 4)
    assert first.tolist() == [[0, 1, 0], [1, 1, 1]]
    assert second.tolist() == [[0, 0, 1], [1, 0, 0], [1, 0, 1]]
    assert third.shape == (0, 3)
    assert first.dtype == np.int16


@pytest.mark.parametrize("slab", [1 << 20, 1000, 77])
@pytest.mark.parametrize("most", [10_000, 60])
def test_one_pass_finds_what_one_mask_a_class_finds(slab, most, monkeypatch):
    monkeypatch.setattr(positions, "SLAB", slab)
    monkeypatch.setattr(positions, "MOST", most)
    reference = np.random.default_rng(0).choice(np.array([0, 0, 1, 2, 4, 255], np.uint8), (17, 21, 13))
    for found, expected in zip(class_positions(reference, 6), class_by_class(reference, 6), strict=True):
        assert np.array_equal(found, expected)
        assert len(found) <= most


def test_a_small_case_of_many_classes_keeps_fewer():
    assert position_limit(10**9, 3) == 10_000
    assert position_limit(3_200_000, 101) == 2_000  # 100 classes x 2000 are 1 in 16
    assert position_limit(1000, 101) == 500
    assert position_limit(1000, 1) == 500


def test_a_long_picture_takes_wide_numbers():
    reference = np.zeros((40_000, 2, 1), np.uint8)
    reference[39_999, 1, 0] = 1
    (found,) = class_positions(reference, 2)
    assert found.tolist() == [[39_999, 1, 0]]
