"""Arrays from one grid onto another, exactly where only axes turn, by separable splines where spacing changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.plan import AXES
from segkit.preparation.label_shares import Neighbours, largest_share, mixed_cells, neighbours
from segkit.preparation.splines import FloatArray, Order, along, spline_weights
from segkit.volumes.grid import Grid

EXACT = 1e-3  # voxels: coordinates nearer than this to whole voxels are those voxels
DRIFT = 0.02  # voxels that an axis may stray sideways over its length and count as parallel
SLAB = 1 << 18  # voxels of the target whose labels are looked at together
BATCH = 1 << 14  # of them weighed at a time: their shares stay in the processor's cache


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

    @property
    def neighbours(self) -> Neighbours:
        """The source voxels on both sides of each target voxel."""
        exact = self.exact
        if exact is not None:
            return Neighbours(exact, exact, np.zeros(len(exact), np.float32))
        return neighbours(self.coordinates, self.size)

    def weights(self, order: Order) -> FloatArray:
        """Return the (target, source) matrix of B-spline interpolation, edges repeated beyond the source."""
        return spline_weights(np.clip(self.coordinates, -0.5, self.size - 0.5), self.size, order)


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
    turned: NDArray[Any] = np.transpose(array, [axis_map.source_axis for axis_map in maps])
    exact = {axis: indices for axis in range(AXES) if (indices := maps[axis].exact) is not None}
    resampled = sorted(set(range(AXES)) - set(exact), key=lambda a: len(maps[a].coordinates) / maps[a].size)
    for axis in resampled:  # the axis that shrinks most goes first: the others then have less to do
        turned = along(turned.astype(np.float32, copy=False), axis, maps[axis].weights(order))
    for axis, indices in exact.items():
        turned = picked(turned, axis, indices)
    result = np.array(turned, np.float32, order="C", copy=None if resampled else True)
    fill_outside(result, maps, fill)
    return result


def picked(array: NDArray[Any], axis: int, indices: NDArray[np.intp]) -> NDArray[Any]:
    """Return the voxels of `indices` along an axis; a view where they are a run, in either direction."""
    step = 1 if len(indices) < 2 or indices[1] > indices[0] else -1
    if (np.diff(indices) != step).any():
        return np.take(array, indices, axis=axis)
    stop = int(indices[-1]) + step
    return array[(slice(None),) * axis + (slice(int(indices[0]), stop if stop >= 0 else None, step),)]


def slanted_onto(array: NDArray[np.generic], source: Grid, target: Grid, order: Order, fill: float) -> FloatArray:
    """Resample an image where the axes are not parallel; edges are repeated up to the source's outer faces."""
    from scipy import ndimage

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

    Where shares tie, background (0) wins, then the smaller label.

    Args:
        labels: shape (X, Y, Z) on `source`; 0 lies outside the source.
        source: the grid it lies on.
        target: the grid wanted.

    Returns:
        the dtype of `labels`, shape `target.shape`.
    """
    maps = axis_maps(source, target)
    if maps is None:
        return slanted_labels(labels, source, target)
    turned: NDArray[Any] = np.transpose(labels, [axis_map.source_axis for axis_map in maps])
    indices = [axis_map.exact for axis_map in maps]
    if any(exact is None for exact in indices):
        result = straight_labels(np.ascontiguousarray(turned), [axis_map.neighbours for axis_map in maps])
    else:
        for axis, exact in enumerate(indices):
            turned = picked(turned, axis, exact)  # type: ignore[arg-type]
        result = np.array(turned, order="C")
    fill_outside(result, maps, 0)
    return result


def straight_labels(labels: NDArray[np.integer], axes: list[Neighbours]) -> NDArray[np.integer]:
    """Resample a label map (C order) whose axes are those of the target; beyond its faces the edge is repeated.

    Only where the eight voxels around a place differ is there anything to weigh, so that the work does not grow with
    the number of labels.
    """
    steps = [labels[0].size, labels.shape[2], 1]
    result = np.empty([len(axis.low) for axis in axes], labels.dtype)
    mixed = mixed_cells(labels)
    planes = max(1, SLAB // result[0].size)
    for start in range(0, len(result), planes):
        part = result[start : start + planes]
        x, y, z = axes[0].low[start : start + planes], axes[1].low, axes[2].low
        part[...] = labels[x][:, y][:, :, z]
        unsettled = np.flatnonzero(mixed[x][:, y][:, :, z])
        for batch in np.split(unsettled, range(BATCH, len(unsettled), BATCH)):
            x, y, z = np.unravel_index(batch, part.shape)
            places = zip(axes, (x + start, y, z), steps, strict=True)
            around = [axis.at(chosen, step) for axis, chosen, step in places]
            part.reshape(-1)[batch] = largest_share(labels.reshape(-1), around)
    return result


def slanted_labels(labels: NDArray[np.integer], source: Grid, target: Grid) -> NDArray[np.integer]:
    """Resample a label map where the axes are not parallel; 0 lies outside its faces."""
    matrix = target.index_to(source)
    flat = np.ascontiguousarray(labels).reshape(-1)
    steps = [labels[0].size, labels.shape[2], 1]
    result = np.zeros(target.shape, labels.dtype)
    for start in range(0, result.size, BATCH):
        part = result.reshape(-1)[start : start + BATCH]
        indices = np.stack(np.unravel_index(np.arange(start, start + len(part)), target.shape))
        places = matrix[:AXES, :AXES] @ indices + matrix[:AXES, 3:]
        axes = list(zip(places, source.shape, steps, strict=True))
        inside = ~np.any([beyond_faces(axis, size) for axis, size, _ in axes], axis=0)
        around = [neighbours(axis[inside], size).at(slice(None), step) for axis, size, step in axes]
        part[inside] = largest_share(flat, around)
    return result


def fill_outside(array: NDArray[np.generic], maps: list[AxisMap], fill: float) -> None:
    """Set what lies beyond the outer faces of the source."""
    for axis, axis_map in enumerate(maps):
        if axis_map.outside.any():
            array[(slice(None),) * axis + (axis_map.outside,)] = fill
