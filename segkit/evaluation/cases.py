"""Scores one case: a mask and its reference, read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.confusion import MAX_LABELS, check_numeric, check_whole, count_labels, values_in
from segkit.evaluation.metrics import LabelPair, metrics
from segkit.evaluation.summary import Scores
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read

BACKGROUND = "background"


def foreground_of(labels: Mapping[str, int]) -> dict[str, int]:
    """Return the labels that are scored: all but the one called `background`, or where none is, the value 0.

    Raises:
        UsageError: when two labels share a value or none is left to score.
    """
    names: dict[int, str] = {}
    for name, value in labels.items():
        if value in names:
            raise UsageError(f"labels {names[value]} and {name} both have the value {value}: give each its own")
        names[value] = name
    foreground = {name: value for name, value in labels.items() if value != _background_value(labels)}
    if not foreground:
        raise UsageError(f"labels name nothing to score beside the background: {dict(labels)}")
    return foreground


def evaluate_arrays(
    mask: NDArray[Any],
    reference: NDArray[Any],
    grid: Grid,
    labels: Mapping[str, int],
    *,
    mask_name: str = "the mask",
    reference_name: str = "the reference",
) -> Scores:
    """Score every foreground label of a mask with every metric.

    Args:
        mask: predicted values, shape (X, Y[, Z]); any number type that holds whole numbers.
        reference: the expert's values, same shape.
        grid: their common grid, in mm.
        labels: name -> value; every value that occurs must be declared, only the background's need not.
        mask_name: names `mask` in errors.
        reference_name: names `reference` in errors.

    Returns:
        Label -> metric -> value in the metric's unit, NaN where the metric's rule leaves it out.

    Raises:
        DataError: when a value is not declared or no whole number.
        UsageError: when `labels` is ambiguous or names only the background.
    """
    foreground = foreground_of(labels)
    values = [_background_value(labels), *foreground.values()]
    counts = count_labels(mask, reference, values, mask_name=mask_name, reference_name=reference_name)
    scores: dict[str, dict[str, float]] = {}
    for name, value in foreground.items():
        pair = LabelPair(counts[value], mask, reference, value, grid)
        scores[name] = {metric.name: metric.score(pair) for metric in metrics()}
    return scores


def evaluate_pair(
    mask_path: Path, reference_path: Path, labels: Mapping[str, int], *, tolerance: float | None = None
) -> Scores:
    """Read a mask and its reference and score every foreground label.

    Args:
        mask_path: the prediction, one channel.
        reference_path: the expert's segmentation, one channel.
        labels: name -> value, as for `evaluate_arrays`.
        tolerance: largest distance in mm between equal voxels of both files; None takes `Grid.check_same_as`'s own.

    Returns:
        Label -> metric -> value, as `evaluate_arrays`.

    Raises:
        GeometryError: when the grids differ in shape or by more than `tolerance`.
        DataError: when a file cannot be read, has several channels, or holds values that are not declared.
    """
    names = _names(mask_path, reference_path)
    mask, grid = _read_mask(mask_path, names[0])
    reference, reference_grid = _read_mask(reference_path, names[1])
    grid.check_same_as(reference_grid, what=f"{names[0]} and {names[1]}", tolerance=tolerance)
    return evaluate_arrays(mask, reference, reference_grid, labels, mask_name=names[0], reference_name=names[1])


def foreground_values(path: Path) -> list[int]:
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


def _background_value(labels: Mapping[str, int]) -> int:
    return labels.get(BACKGROUND, 0)


def _read_mask(path: Path, name: str) -> tuple[NDArray[Any], Grid]:
    """Return values, shape (X, Y[, Z]), and grid."""
    volume = read(path)
    if len(volume.array) != 1:
        raise DataError(f"{name} has {len(volume.array)} channels; a mask has one")
    check_numeric(volume.array, name)
    return volume.array[0], volume.grid


def _names(mask_path: Path, reference_path: Path) -> tuple[str, str]:
    """Return how errors call both files: by file name, with the folder where the file names are the same."""
    if mask_path.name != reference_path.name:
        return mask_path.name, reference_path.name
    return f"{mask_path.parent.name}/{mask_path.name}", f"{reference_path.parent.name}/{reference_path.name}"
