"""Arrays from one grid onto another, exactly where only axes turn, by separable splines where spacing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segkit.config.plan import AXES
from segkit.preparation.grids import Box, cropped
from segkit.volumes.grid import Grid

EXACT = 1e-3  # voxels: coordinates nearer than this to whole voxels are those voxels
DRIFT = 0.02  # voxels that an axis may stray sideways over its length and count as parallel
FloatArray = NDArray[np.float32]
Order = Literal[1, 2, 3]  # of a B-spline


@dataclass(frozen=True)
class AxisMap:
    """Where the voxels of one target axis lie along the source axis it follows.

    Attributes:
        source_axis: the axis of the source array.
        coordinates: fractional source index of each target voxel.
        size: voxels of the source axis.
    """

    source_axis: int
    coordinates: NDArray[np.float64]
    size: int

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Target voxels whose centre lies beyond the outer faces of the source."""
        return beyond_faces(self.coordinates, self.size)

    @property
    def exact(self) -> NDArray[np.intp] | None:
        """The source index of each target voxel where all are whole (clipped to the source), else None."""
        whole = np.rint(self.coordinates)
        if np.abs(whole - self.coordinates).max() > EXACT:
            return None
        return np.clip(whole, 0, self.size - 1).astype(np.intp)

    def weights(self, order: Order) -> FloatArray:
        """Return the (target, source) matrix of B-spline interpolation, edges repeated beyond the source."""
        inside = np.clip(self.coordinates, -0.5, self.size - 0.5)
        units = np.eye(self.size)
        rows = [ndimage.map_coordinates(unit, inside[None], order=order, mode="nearest") for unit in units]
        return np.stack(rows, axis=1).astype(np.float32)


def beyond_faces(coordinates: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Say which indices along an axis of `size` voxels lie beyond its outer faces."""
    return (coordinates < -0.5 - EXACT) | (coordinates > size - 0.5 + EXACT)


def axis_maps(source: Grid, target: Grid) -> list[AxisMap] | None:
    """Return one map per target axis, or None where the axes are not parallel, so that no separable way exists."""
    matrix = target.index_to(source)
    linear = matrix[:AXES, :AXES]
    reach = np.abs(linear) * np.maximum(np.asarray(target.shape) - 1, 1)
    follows = np.argmax(np.abs(linear), axis=0)
    off_axis = reach.copy()
    off_axis[follows, range(AXES)] = 0
    if len(set(follows.tolist())) < AXES or off_axis.max() > DRIFT:
        return None
    return [
        AxisMap(int(axis), linear[axis, t] * np.arange(target.shape[t]) + matrix[axis, 3], source.shape[axis])
        for t, axis in enumerate(follows)
    ]


def image_onto(
    array: NDArray[np.generic], source: Grid, target: Grid, *, order: Order = 3, fill: float = 0.0
) -> FloatArray:
    """Resample an image.

    Args:
        array: shape (X, Y, Z) on `source`.
        source: the grid it lies on.
        target: the grid wanted.
        order: of the B-spline, 1 (linear) to 3 (cubic).
        fill: value beyond the outer faces of the source.

    Returns:
        float32 of shape `target.shape`.
    """
    maps = axis_maps(source, target)
    if maps is None:
        return slanted_onto(array, source, target, order, fill)
    turned = np.transpose(array, [axis_map.source_axis for axis_map in maps])
    # The axis that shrinks most goes first: the others then have less to do.
    for axis in sorted(range(AXES), key=lambda a: len(maps[a].coordinates) / maps[a].size):
        exact = maps[axis].exact
        if exact is not None:
            turned = np.take(turned, exact, axis=axis)
        else:
            weights = maps[axis].weights(order)
            turned = np.moveaxis(np.tensordot(weights, turned.astype(np.float32), axes=(1, axis)), 0, axis)
    result = np.array(turned, dtype=np.float32, order="C")
    fill_outside(result, maps, fill)
    return result


def slanted_onto(array: NDArray[np.generic], source: Grid, target: Grid, order: Order, fill: float) -> FloatArray:
    """Resample an image where the axes are not parallel; edges are repeated up to the source's outer faces."""
    matrix = target.index_to(source)
    values = np.asarray(array, dtype=np.float32)
    linear, offset = matrix[:AXES, :AXES], matrix[:AXES, 3]
    result = np.asarray(ndimage.affine_transform(values, linear, offset, target.shape, order=order, mode="nearest"))
    x, y, z = np.ogrid[tuple(slice(size) for size in target.shape)]
    for (a, b, c), start, size in zip(linear, offset, source.shape, strict=True):
        result[beyond_faces(a * x + b * y + c * z + start, size)] = fill
    return result


def labels_onto(labels: NDArray[np.integer], source: Grid, target: Grid) -> NDArray[np.integer]:
    """Resample a label map: each voxel takes the label with the largest linearly interpolated share.

    Args:
        labels: shape (X, Y, Z) on `source`; 0 lies outside the source.
        source: the grid it lies on.
        target: the grid wanted.

    Returns:
        the dtype of `labels`, shape `target.shape`.
    """
    maps = axis_maps(source, target)
    if maps is not None and all(axis_map.exact is not None for axis_map in maps):
        result = np.transpose(labels, [axis_map.source_axis for axis_map in maps])
        result = result[np.ix_(*[axis_map.exact for axis_map in maps])]
        fill_outside(result, maps, 0)
        return result
    result = np.zeros(target.shape, labels.dtype)
    best, total = np.zeros(target.shape, np.float32), np.zeros(target.shape, np.float32)
    for value, box in label_boxes(labels).items():
        part = labels[box]
        reach = reached_box(source, target, box)
        share = image_onto(part == value, cropped(source, box), cropped(target, reach), order=1)
        total[reach] += share
        larger = share > best[reach]
        result[reach][larger] = value
        best[reach][larger] = share[larger]
    result[best <= 1 - total] = 0
    return result


def fill_outside(array: NDArray[np.generic], maps: list[AxisMap], fill: float) -> None:
    """Set what lies beyond the outer faces of the source."""
    for axis, axis_map in enumerate(maps):
        if axis_map.outside.any():
            array[(slice(None),) * axis + (axis_map.outside,)] = fill


def label_boxes(labels: NDArray[np.integer]) -> dict[int, Box]:
    """Return the box of each label but 0, two voxels wider so that interpolation sees the border."""
    values = [int(value) for value in np.unique(labels) if value != 0]
    ranks = np.searchsorted(values, labels, side="right").astype(np.int32) * (labels != 0)
    boxes = {}
    for value, box in zip(values, ndimage.find_objects(ranks), strict=True):
        boxes[value] = tuple(
            slice(max(0, b.start - 2), min(n, b.stop + 2)) for b, n in zip(box, labels.shape, strict=True)
        )
    return boxes


def reached_box(source: Grid, target: Grid, box: Box) -> Box:
    """Return the box of the target grid that a box of the source grid covers, one voxel wider."""
    corners = np.array(np.meshgrid(*[(b.start - 0.5, b.stop - 0.5) for b in box], indexing="ij")).reshape(AXES, -1)
    places = (source.index_to(target) @ np.vstack([corners, np.ones(corners.shape[1])]))[:AXES]
    low, high = np.floor(places.min(axis=1)) - 1, np.ceil(places.max(axis=1)) + 2
    return tuple(
        slice(int(np.clip(a, 0, n - 1)), int(np.clip(b, 1, n))) for a, b, n in zip(low, high, target.shape, strict=True)
    )
