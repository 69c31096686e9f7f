"""From stored to real values: slope times value plus intercept, in the smallest type that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.volumes.dicom.instances import Plane

LARGEST_INTEGER = 32  # bits


def stored_type(planes: Sequence[Plane]) -> np.dtype[Any]:
    """Return the type in which all planes are stored: integers of 8 to 32 bits, float32 of all else."""
    encodings = {plane.instance.encoding for plane in planes}
    if any(encoding.is_float or encoding.has_lut or encoding.allocated > LARGEST_INTEGER for encoding in encodings):
        return np.dtype(np.float32)
    bytes_each = {max(1, encoding.allocated // 8) for encoding in encodings}
    signs = {encoding.is_signed for encoding in encodings}
    if len(signs) == 1:
        return np.dtype(f"{'i' if signs.pop() else 'u'}{max(bytes_each)}")
    return np.dtype(np.int32 if max(bytes_each) <= 2 else np.float32)  # an export may mix signed and unsigned slices


def rescaled(stack: NDArray[Any], rescales: Sequence[tuple[float, float]]) -> NDArray[Any]:
    """Return values times slope plus intercept of each plane, in place where the type can stay.

    Args:
        stack: stored values, shape (planes, ...); not used any more afterwards.
        rescales: slope and intercept of each plane.
    """
    if all(rescale == (1, 0) for rescale in rescales):
        return stack
    kind = _value_type(stack, rescales)
    target = stack if kind == stack.dtype else _of_equal_size(stack, kind)
    for values, place, (slope, intercept) in zip(stack, target, rescales, strict=True):
        if kind.kind == "f":
            np.copyto(place, values * np.float64(slope) + intercept, casting="same_kind")
            continue
        # Integers wrap around on the way and are right at the end, since the end is known to fit.
        np.copyto(place, values, casting="unsafe")
        if slope != 1:
            np.multiply(place, _wrapped(slope, kind), out=place)
        if intercept != 0:
            np.add(place, _wrapped(intercept, kind), out=place)
    return target


def _of_equal_size(stack: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return room for the rescaled values: the same memory where they are as wide as the stored ones."""
    is_as_wide = kind.itemsize == stack.dtype.itemsize and kind.kind != "f"
    return stack.view(kind) if is_as_wide else np.empty(stack.shape, kind)


def _wrapped(value: float, kind: np.dtype[Any]) -> Any:
    return np.array(int(value) % (1 << 64), np.uint64).astype(kind)


def _value_type(stack: NDArray[Any], rescales: Sequence[tuple[float, float]]) -> np.dtype[Any]:
    if stack.dtype.kind == "f" or not all(
        slope.is_integer() and intercept.is_integer() for slope, intercept in rescales
    ):
        return np.dtype(np.float32)
    bounds: list[float] = []
    for values, (slope, intercept) in zip(stack, rescales, strict=True):
        bounds += [slope * float(values.min()) + intercept, slope * float(values.max()) + intercept]
    for kind in (stack.dtype, np.dtype(np.int16), np.dtype(np.int32)):
        if np.iinfo(kind).min <= min(bounds) and max(bounds) <= np.iinfo(kind).max:
            return kind
    return np.dtype(np.float32)
