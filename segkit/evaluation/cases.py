"""Scores one case: a mask and its reference, read from disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import BACKGROUND, IGNORE, Declared, values_of
from segkit.evaluation.confusion import MAX_LABELS, check_numeric, check_whole, count_labels, values_in
from segkit.evaluation.metrics import LabelPair, metrics
from segkit.evaluation.summary import Scores
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.grid import Grid
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.selection import Location

Members = dict[str, tuple[int, ...]]


def foreground_of(labels: Declared) -> Members:
    """Return the values of each label that is scored: all but `ignore` and the background, or where none is, value 0.

    Raises:
        UsageError: when two labels have the same values or none is left to score.
    """
    owners: dict[tuple[int, ...], str] = {}
    background = values_of(BACKGROUND, labels[BACKGROUND]) if BACKGROUND in labels else (0,)
    for name, declared in labels.items():
        values = values_of(name, declared)
        if values in owners:
            shown = f"value {values[0]}" if len(values) == 1 else f"values {list(values)}"
            raise UsageError(f"labels {owners[values]} and {name} both have the {shown}: give each its own")
        owners[values] = name
    foreground = {name: values for values, name in owners.items() if name != IGNORE and values != background}
    if not foreground:
        raise UsageError(f"labels name nothing to score beside the background: {dict(labels)}")
    return foreground


def in_colour(labels: Declared | None) -> bool:
    """Say whether labels are declared as colours."""
    return any(isinstance(value, str) and value.startswith("#") for value in (labels or {}).values())


def evaluate_arrays(
    mask: NDArray[Any],
    reference: NDArray[Any],
    grid: Grid,
    labels: Declared,
    *,
    mask_name: str = "the mask",
    reference_name: str = "the reference",
) -> Scores:
    """Score every foreground label of a mask with every metric.

    Args:
        mask: predicted values, shape (X, Y[, Z]); any number type that holds whole numbers.
        reference: the expert's values, same shape.
        grid: their common grid, in mm.
        labels: name -> value, or values of a region; every value that occurs must be declared, only the background's
            need not. Voxels whose reference has the value of `ignore` count nowhere.
        mask_name: names `mask` in errors.
        reference_name: names `reference` in errors.

    Returns:
        Label -> metric -> value in the metric's unit, NaN where the metric's rule leaves it out.

    Raises:
        DataError: when a value is not declared or no whole number.
        UsageError: when `labels` is ambiguous or names only the background.
    """
    foreground = foreground_of(labels)
    background = values_of(BACKGROUND, labels.get(BACKGROUND, 0))
    if IGNORE in labels:
        ignored = reference == values_of(IGNORE, labels[IGNORE])[0]
        mask, reference = (np.where(ignored, background[0], array) for array in (mask, reference))
    groups = list(foreground.values())
    counts = count_labels(mask, reference, groups, also=background, mask_name=mask_name, reference_name=reference_name)
    scores: dict[str, dict[str, float]] = {}
    for (name, values), counted in zip(foreground.items(), counts, strict=True):
        pair = LabelPair(counted, mask, reference, values, grid)
        scores[name] = {metric.name: metric.score(pair) for metric in metrics()}
    return scores


def evaluate_pair(
    mask_path: Path, reference_path: Location, labels: Declared, *, tolerance: float | None = None
) -> Scores:
    """Read a mask and its reference and score every foreground label.

    Args:
        mask_path: the prediction, one channel.
        reference_path: the expert's segmentation, one channel.
        labels: as for `evaluate_arrays`.
        tolerance: largest distance in mm between equal voxels of both files; None takes `Grid.check_same_as`'s own.

    Returns:
        Label -> metric -> value, as `evaluate_arrays`.

    Raises:
        GeometryError: when the grids differ in shape or by more than `tolerance`.
        DataError: when a file cannot be read, has several channels, or holds values that are not declared.
    """
    names = _names(mask_path, reference_path)
    mask, grid = _read_mask(mask_path, names[0], in_colour(labels))
    reference, reference_grid = _read_mask(reference_path, names[1], in_colour(labels))
    grid.check_same_as(reference_grid, what=f"{names[0]} and {names[1]}", tolerance=tolerance)
    return evaluate_arrays(mask, reference, reference_grid, labels, mask_name=names[0], reference_name=names[1])


def foreground_values(path: Location) -> list[int]:
    """Return the distinct non-zero values of a mask on disk, sorted.

    Raises:
        DataError: when the file cannot be read, is no mask, or holds more than 2000 values.
    """
    array, _ = _read_mask(path, path.name)
    found = values_in(array, np.zeros(1, array.dtype))
    check_whole(found, path.name)
    if found.size > MAX_LABELS:
        raise DataError(f"{path.name} holds more than {MAX_LABELS} different values: is it a mask?")
    return [int(value) for value in found]


def _read_mask(path: Location, name: str, coloured: bool = False) -> tuple[NDArray[Any], Grid]:
    """Return values, shape (X, Y[, Z]), and grid."""
    volume = read(path)
    check_numeric(volume.array, name)
    return label_values(volume, name, in_colour=coloured), volume.grid


def _names(mask_path: Path, reference_path: Location) -> tuple[str, str]:
    """Return how errors call both files: by file name, with the folder where the file names are the same."""
    if mask_path.name != reference_path.name:
        return mask_path.name, reference_path.name
    return f"{mask_path.parent.name}/{mask_path.name}", f"{reference_path.parent.name}/{reference_path.name}"
