"""Counts the voxels of every pair of values in one pass over a mask and its reference, in slabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.foundation.suggestions import some_of

SLAB = 1 << 17  # voxels counted at a time: indices and histogram stay in the processor's cache
BYTE_VALUES = 256
MAX_LABELS = 2000  # the histogram holds (labels + 1)^2 counts: 32 MB
SHOWN = 8  # values listed in an error


@dataclass(frozen=True)
class Counts:
    """Voxels of one label by where they lie: in both masks, in one, in none.

    Attributes:
        true_positives: in mask and reference.
        false_positives: in the mask only.
        false_negatives: in the reference only.
        true_negatives: in neither.
    """

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def in_mask(self) -> int:
        """Voxels that the mask gives the label."""
        return self.true_positives + self.false_positives

    @property
    def in_reference(self) -> int:
        """Voxels that the reference gives the label."""
        return self.true_positives + self.false_negatives


def count_labels(
    mask: NDArray[Any],
    reference: NDArray[Any],
    groups: Sequence[Sequence[int]],
    *,
    also: Sequence[int] = (),
    mask_name: str = "the mask",
    reference_name: str = "the reference",
) -> list[Counts]:
    """Count the voxels of each label in one pass, with a few MB beside the arrays.

    Args:
        mask: predicted values, any shape and number type; floats are fine as long as they are whole numbers.
        reference: the expert's values, same shape.
        groups: the values of each label; labels that are regions share values.
        also: further values that may occur, such as the background's.
        mask_name: names `mask` in errors.
        reference_name: names `reference` in errors.

    Returns:
        The counts of each label.

    Raises:
        DataError: when an array holds a value that is not among those named, or the shapes differ.
    """
    check_alike(mask, reference, mask_name, reference_name)
    known = np.unique(np.asarray([*also, *(value for group in groups for value in group)], dtype=np.int64))
    if known.size > MAX_LABELS:
        raise DataError(f"{known.size} labels are declared; at most {MAX_LABELS} can be evaluated at once")
    joint = _joint_histogram(mask, reference, known)
    if joint is None:
        _check_declared(mask, known, mask_name)
        _check_declared(reference, known, reference_name)
        raise DataError(f"{mask_name} and {reference_name} hold values that labels do not declare")
    return [_counts(joint, np.searchsorted(known, sorted(group))) for group in groups]


def _counts(joint: NDArray[np.int64], places: NDArray[np.intp]) -> Counts:
    both = int(joint[np.ix_(places, places)].sum())
    in_mask, in_reference = int(joint[places].sum()), int(joint[:, places].sum())
    return Counts(both, in_mask - both, in_reference - both, int(joint.sum()) - in_mask - in_reference + both)


def values_in(array: NDArray[Any], known: NDArray[Any] | None = None, at_most: int = MAX_LABELS) -> NDArray[Any]:
    """Return the distinct values of `array`, sorted, in its own dtype, without those in `known`.

    Args:
        array: any shape and number type.
        known: values that are not looked for, sorted.
        at_most: stop once more than this many are found: an image given as a mask may hold millions.

    Returns:
        The values, shape (n,).
    """
    known = np.empty(0, array.dtype) if known is None else known
    found = np.empty(0, array.dtype)
    flat = _in_memory_order(array)[0]
    for start in range(0, flat.size, SLAB):
        slab = flat[start : start + SLAB]
        for looked_for in (known, found):  # sorting only what is new keeps this one cheap pass
            slab = slab[~_is_among(slab, looked_for)] if looked_for.size else slab
        if slab.size:
            found = np.union1d(found, slab)
        if found.size > at_most:
            break
    return found


def check_alike(mask: NDArray[Any], reference: NDArray[Any], mask_name: str, reference_name: str) -> None:
    """Make sure that a mask and its reference can be compared voxel by voxel.

    Raises:
        DataError: when voxels are no real numbers, or the shapes differ; naming the array.
    """
    check_numeric(mask, mask_name)
    check_numeric(reference, reference_name)
    if mask.shape != reference.shape:
        raise DataError(f"{mask_name} has {mask.shape} voxels, {reference_name} {reference.shape}")


def check_numeric(array: NDArray[Any], name: str) -> None:
    """Make sure that voxels are real numbers.

    Raises:
        DataError: naming `name` and its dtype.
    """
    if array.dtype.kind not in "iubf":
        raise DataError(f"{name} is not a mask: its voxels are {array.dtype}, not label values")


def check_whole(values: NDArray[Any], name: str) -> None:
    """Make sure that the values found in a mask are whole numbers.

    Raises:
        DataError: naming `name` and the values that are not.
    """
    broken = values[~np.isfinite(values) | (values != np.rint(values))] if values.dtype.kind == "f" else values[:0]
    if broken.size:
        raise DataError(f"{name} is not a mask: it holds {_listed(broken)}, and label values are whole numbers")


def _joint_histogram(mask: NDArray[Any], reference: NDArray[Any], known: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Return counts, shape (values of the mask, values of the reference), or None when others than `known` occur."""
    in_bytes = bool(known[0] >= 0 and known[-1] < BYTE_VALUES)
    base = BYTE_VALUES if in_bytes else known.size + 1
    codes = known if in_bytes else np.arange(known.size)
    histogram = np.zeros(base * base, dtype=np.int64)
    zero = 0 if in_bytes else int(_as_indices(np.zeros(1, np.int64), known)[0]) * (base + 1)
    flat_mask, flat_reference = _in_memory_order(mask, reference)
    line = max(1, mask.shape[-1 if mask.flags.c_contiguous else 0]) if mask.ndim else 1
    step = line * max(1, SLAB // line)
    for start in range(0, flat_mask.size, step):
        slabs = _without_empty_lines(flat_mask[start : start + step], flat_reference[start : start + step], line)
        histogram[zero] += min(step, flat_mask.size - start) - slabs[0].size
        rows, columns = (_as_bytes(slab) if in_bytes else _as_indices(slab, known) for slab in slabs)
        if rows is None or columns is None:
            return None
        pairs = np.multiply(rows, base, dtype=np.intp)  # intp is what bincount counts without a copy
        pairs += columns
        histogram += np.bincount(pairs, minlength=base * base)
    joint = histogram.reshape(base, base)[np.ix_(codes, codes)]
    return joint if joint.sum() == mask.size else None


def _without_empty_lines(mask: NDArray[Any], reference: NDArray[Any], line: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both without the lines in which neither holds anything but 0: most of a scan is background."""
    if mask.dtype != np.uint8 or reference.dtype != np.uint8:
        return mask, reference
    lines = mask.reshape(-1, line), reference.reshape(-1, line)
    kept = np.maximum(*(array.max(axis=1) for array in lines)) > 0
    return lines[0][kept].reshape(-1), lines[1][kept].reshape(-1)


def _as_bytes(slab: NDArray[Any]) -> NDArray[np.uint8] | None:
    """Return the values as bytes, shape (n,), or None when one of them does not fit."""
    if slab.dtype in (np.uint8, np.bool_):
        return slab.view(np.uint8)
    with np.errstate(invalid="ignore"):  # NaN and values out of range are found by the comparison
        narrow = slab.astype(np.uint8)
    return narrow if np.array_equal(narrow, slab) else None


def _as_indices(slab: NDArray[Any], known: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the position of each value in `known`, and `known.size` for others."""
    position = np.minimum(np.searchsorted(known, slab), known.size - 1)
    return np.where(known[position] == slab, position, known.size)


def _is_among(slab: NDArray[Any], known: NDArray[Any]) -> NDArray[np.bool_]:
    position = np.minimum(np.searchsorted(known, slab), known.size - 1)
    return np.asarray(known[position] == slab)


def _in_memory_order(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the arrays flat, in one common order: views where all of them allow it."""
    fortran = all(array.flags.f_contiguous for array in arrays)
    return [(array.T if fortran else array).reshape(-1) for array in arrays]


def _check_declared(array: NDArray[Any], known: NDArray[np.int64], name: str) -> None:
    found = values_in(array, known)
    check_whole(found, name)
    if found.size:
        raise DataError(
            f"{name} holds {_listed(found)}, but labels declare only {_listed(known)}: add it or mend the file"
        )


def _listed(values: NDArray[Any]) -> str:
    first = values[: SHOWN + 1]  # a damaged file holds thousands
    return some_of([f"{float(value):.6g}" if value.dtype.kind == "f" else f"{value}" for value in first], SHOWN)
