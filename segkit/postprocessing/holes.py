"""The holes of one label, in its bounding box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.postprocessing.components import Connectivity, connected
from segkit.volumes.boxes import occupied_box


def holes_of(
    inside: NDArray[np.bool_], free: NDArray[np.bool_], axes: Sequence[int] | None = None
) -> NDArray[np.bool_] | None:
    """Return the free voxels that a label encloses and touches.

    A hole is a component of free voxels, connected by faces, that touches the label and cannot be left without crossing
    the label, whatever lies on the way: a tumour inside a liver opens no door, and is no hole itself. So

    - a gap between a tumour and the liver around it is a hole of the liver;
    - a gap beside a tumour that reaches the liver's surface is none, since the liver alone does not enclose it;
    - free voxels inside that tumour are a hole of the tumour, and none of the liver, which they do not touch;
    - a gap between organs is a hole of none of them.

    Args:
        inside: of the label, cropped to its bounding box, shape (X, Y[, Z]).
        free: voxels that may be filled, the same shape; the background, and no other label.
        axes: along which one may leave the box; None: all. A flat volume cannot be left across its plane.

    Returns:
        the same shape, None where there is no hole. A hole that touches the box is open.
    """
    outside, count = connected(~inside, Connectivity.FACES)
    is_open = np.zeros(count + 1, dtype=bool)
    is_open[0] = True
    for axis in range(inside.ndim) if axes is None else axes:
        ends = np.moveaxis(outside, axis, 0)
        is_open[ends[0]] = is_open[ends[-1]] = True
    if is_open.all():
        return None
    enclosed = ~is_open[outside] & free
    box = occupied_box(enclosed)
    if box is None:
        return None
    # The label encloses the holes on all sides, so that it shows within one voxel of their box.
    around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
    pockets, count = connected(enclosed[around], Connectivity.FACES)
    found = np.zeros_like(enclosed)
    found[around] = beside(pockets, count, inside[around])[pockets]
    return found


def beside(pockets: NDArray[np.int32], count: int, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the components 0 to `count` share a face with a voxel of the label; 0 does not count."""
    touches = np.zeros(count + 1, dtype=bool)
    for axis in range(inside.ndim):
        numbers, label = np.moveaxis(pockets, axis, 0), np.moveaxis(inside, axis, 0)
        touches[numbers[1:][label[:-1]]] = touches[numbers[:-1][label[1:]]] = True
    touches[0] = False
    return touches
