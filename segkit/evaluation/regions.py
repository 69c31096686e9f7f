"""The voxels of one label or connected component, cropped to their box before any work on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segkit.evaluation.confusion import MAX_LABELS, check_numeric, check_whole, values_in
from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid

Box = tuple[slice, ...]
LARGEST_DIRECT = 1 << 16  # values up to here are counted as they are; others are numbered first


@dataclass(frozen=True, eq=False)
class Region:
    """Voxels to measure, and what lies beneath them.

    Attributes:
        mask: shape (X, Y[, Z]) of the box around the voxels, with at least one voxel and none beyond.
        start: index of the box's first voxel in the whole mask.
        grid: of the whole mask, in mm.
        image: intensities of one channel on the whole grid, in the image's own units; None where there is none.
        bin_width: width of the histogram's bins, in the image's own units.
    """

    mask: NDArray[np.bool_]
    start: tuple[int, ...]
    grid: Grid
    image: NDArray[Any] | None = None
    bin_width: float = 25.0

    @property
    def steps(self) -> NDArray[np.float64]:
        """Shape (3, dims): column n is the step in RAS+ mm from a voxel to the next along axis n."""
        return self.grid.affine[:3, : self.grid.dims]

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel; a pixel is as thick as its affine's third column says, 1 mm when unknown."""
        return self.grid.voxel_mm3

    @cached_property
    def voxels(self) -> int:
        """How many there are."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def intensities(self) -> NDArray[np.float64]:
        """The image's values in the region, shape (voxels,).

        Raises:
            DataError: when there is no image, or a value in the region is not finite.
        """
        if self.image is None:
            raise DataError("there is no image beside the mask")
        box = tuple(slice(start, start + size) for start, size in zip(self.start, self.mask.shape, strict=True))
        values = self.image[box][self.mask].astype(np.float64)
        if broken := int(np.count_nonzero(~np.isfinite(values))):
            raise DataError(f"{broken} of {values.size} intensities of the image are not finite")
        return values

    @cached_property
    def components(self) -> tuple[NDArray[np.int32], int]:
        """The connected components, numbered from 1 in an array like `mask`, and their count; corners connect."""
        numbers = np.empty(self.mask.shape, np.int32)
        return numbers, int(ndimage.label(self.mask, np.ones((3,) * self.mask.ndim), output=numbers))

    def parts(self) -> Iterator[Region]:
        """Yield each connected component (26 neighbours, 8 in 2D), the largest first."""
        numbers, count = self.components
        sizes = np.bincount(numbers.reshape(-1), minlength=count + 1)[1:]
        boxes = ndimage.find_objects(numbers, count)
        for index in np.argsort(-sizes, kind="stable"):
            box = boxes[index]
            start = tuple(first + part.start for first, part in zip(self.start, box, strict=True))
            yield replace(self, mask=numbers[box] == index + 1, start=start)


def boxes_of(array: NDArray[Any], name: str, *, zero: bool = False) -> dict[int, Box]:
    """Return the box around the voxels of each value that occurs, in ascending order.

    Args:
        array: label values, shape (X, Y[, Z]), of any number type.
        name: names the mask in errors.
        zero: whether 0 is a label like any other, and not passed over.

    Raises:
        DataError: when values are no whole numbers, or more than 2000 different ones.
    """
    check_numeric(array, name)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype.kind in "iu" and int(array.min()) >= 0 and int(array.max()) < LARGEST_DIRECT:
        values, numbers = np.arange(1, int(array.max()) + 1), array
    else:
        values = values_in(array, np.zeros(1, array.dtype))
        check_whole(values, name)
        _check_few(values.size, name)
        numbers = _numbered(array, values)
    around = _occupied_box(numbers)
    boxes = zip(values.tolist(), _moved(_boxes(numbers[around], values.size), around), strict=True)
    found = {int(value): box for value, box in boxes if box is not None}
    _check_few(len(found), name)
    if zero and (box := _boxes((array == 0).view(np.uint8), 1)[0]) is not None:
        found[0] = box
    return dict(sorted(found.items()))


def _occupied_box(numbers: NDArray[Any]) -> Box:
    """Return a box beyond which all is 0, found line by line: most of a scan is background."""
    if numbers.dtype != np.uint8 or numbers.ndim == 1:
        return (slice(0, None),) * numbers.ndim
    lines = 0 if numbers.flags.f_contiguous and not numbers.flags.c_contiguous else numbers.ndim - 1
    occupied = numbers.max(axis=lines) > 0
    sides = [_extent(occupied.any(axis=tuple(set(range(occupied.ndim)) - {axis}))) for axis in range(occupied.ndim)]
    within = numbers[(*sides[:lines], slice(0, None), *sides[lines:])]
    sides.insert(lines, _extent(within.max(axis=tuple(set(range(numbers.ndim)) - {lines}), initial=0) > 0))
    return tuple(sides)


def _extent(occupied: NDArray[np.bool_]) -> slice:
    """Return the slice from the first true place to the last, which is empty where there is none."""
    places = np.flatnonzero(occupied)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def _moved(boxes: list[Box | None], around: Box) -> list[Box | None]:
    """Return boxes within a box as boxes of the whole array."""
    return [
        box
        and tuple(
            slice(part.start + outer.start, part.stop + outer.start) for part, outer in zip(box, around, strict=True)
        )
        for box in boxes
    ]


def _boxes(numbers: NDArray[Any], most: int) -> list[Box | None]:
    """Return the boxes of the numbers from 1 to `most`."""
    if not most:
        return []
    if numbers.strides[0] >= numbers.strides[-1]:
        return list(ndimage.find_objects(numbers, most))
    # A NIfTI lies in memory with its first axis innermost, and is walked in that order.
    return [box and box[::-1] for box in ndimage.find_objects(numbers.T, most)]


def _numbered(array: NDArray[Any], values: NDArray[Any]) -> NDArray[np.int16]:
    """Return for each voxel the place of its value in `values`, from 1; 0 for others."""
    if not values.size:
        return np.zeros(array.shape, np.int16)
    place = np.minimum(np.searchsorted(values, array), values.size - 1)
    return np.where(values[place] == array, place + 1, 0).astype(np.int16)


def _check_few(count: int, name: str) -> None:
    if count > MAX_LABELS:
        raise DataError(f"{name} holds more than {MAX_LABELS} different values: is it a mask?")


def joined_box(boxes: Sequence[Box]) -> Box:
    """Return the box around several, at least one."""
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def is_among(array: NDArray[Any], values: Sequence[int]) -> NDArray[np.bool_]:
    """Return which voxels have one of the values, at least one of which is given, shape of `array`."""
    return array == values[0] if len(values) == 1 else np.isin(array, values)  # the first is far faster


def region_of(array: NDArray[Any], values: Sequence[int], boxes: dict[int, Box], grid: Grid) -> Region | None:
    """Return the voxels of a label, or None where there are none.

    Args:
        array: label values, shape (X, Y[, Z]).
        values: of the label; a region has several.
        boxes: as `boxes_of` found them.
        grid: of the array, in mm.
    """
    present = [value for value in values if value in boxes]
    if not present:
        return None
    box = joined_box([boxes[value] for value in present])
    return Region(np.ascontiguousarray(is_among(array[box], present)), tuple(part.start for part in box), grid)
