import numpy as np
import pytest

from segkit.evaluation.regions import Region, boxes_of, region_of
from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid, affine_from

VALUES = np.zeros((4, 5, 6), np.int16)
VALUES[1:3, 2, 3:5] = 1
VALUES[0, 0, 5] = 7
BOXES = {1: (slice(1, 3), slice(2, 3), slice(3, 5)), 7: (slice(0, 1), slice(0, 1), slice(5, 6))}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint64", "float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_boxes_of_any_number_type_and_memory_order(dtype, order):
    assert boxes_of(np.asarray(VALUES, dtype, order=order), "m") == BOXES
    assert boxes_of(np.asarray(VALUES == 7, order=order), "m") == {1: BOXES[7]}


def test_boxes_of_large_negative_and_no_values():
    assert boxes_of(np.where(VALUES == 7, -3, VALUES), "m") == {-3: BOXES[7], 1: BOXES[1]}
    assert boxes_of(np.where(VALUES == 7, 1 << 24, VALUES.astype(np.int32)), "m") == {1: BOXES[1], 1 << 24: BOXES[7]}
    assert boxes_of(np.zeros((2, 3, 4)), "m") == boxes_of(np.zeros((2, 3), np.uint8), "m") == {}
    assert boxes_of(VALUES + 1, "m", zero=True) == boxes_of(VALUES + 1, "m")
    assert boxes_of(np.eye(2, dtype=np.uint8), "m", zero=True)[0] == (slice(0, 2), slice(0, 2))


def test_what_is_no_mask_is_refused():
    with pytest.raises(DataError, match=r"m is not a mask: it holds 0\.5"):
        boxes_of(VALUES * 0.5, "m")
    with pytest.raises(DataError, match="m holds more than 2000 different values: is it a mask"):
        boxes_of(np.arange(2500).reshape(50, 50), "m")


def test_a_label_of_several_values_and_one_without_voxels():
    grid = Grid(VALUES.shape, affine_from((1.0, 1.0, 1.0)))
    both = region_of(VALUES, (1, 7, 9), BOXES, grid)
    assert (both.start, both.mask.shape, both.voxels) == ((0, 0, 3), (3, 3, 3), 5)
    assert region_of(VALUES, (9,), BOXES, grid) is None


def test_components_touch_at_corners_and_come_by_size():
    mask = np.zeros((6, 6, 6), bool)
    mask[5, 5, 5] = True
    mask[0, 0, 0] = mask[1, 1, 1] = mask[2, 1, 1] = True
    region = Region(mask, (10, 20, 30), Grid((40, 40, 40), np.eye(4)))
    parts = list(region.parts())
    assert [part.voxels for part in parts] == [3, 1]
    assert [part.start for part in parts] == [(10, 20, 30), (15, 25, 35)]
    assert parts[1].mask.shape == (1, 1, 1)


def test_intensities_are_those_under_the_mask_and_finite():
    image = np.arange(120.0).reshape(VALUES.shape)
    region = Region(np.array([[[True, False], [False, True]]]), (2, 3, 4), Grid(VALUES.shape, np.eye(4)), image)
    assert region.intensities.tolist() == [image[2, 3, 4], image[2, 4, 5]]
    image[2, 4, 5] = np.nan
    broken = Region(region.mask, region.start, region.grid, image)
    with pytest.raises(DataError, match="1 of 2 intensities of the image are not finite"):
        _ = broken.intensities
