"""Scores one case: a mask and its reference, read from disk."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import BACKGROUND, IGNORE, Declared, values_of
from segkit.evaluation.calibration import Reliability
from segkit.evaluation.confusion import Counts, check_alike, check_numeric, count_labels
from segkit.evaluation.label_pair import Boxes, LabelPair
from segkit.evaluation.metrics import Metric, chosen
from segkit.evaluation.regions import boxes_of
from segkit.evaluation.settings import Settings
from segkit.evaluation.summary import Scores
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.volumes.grid import Grid
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read, read_grid
from segkit.volumes.selection import Location

Members = dict[str, tuple[int, ...]]
Probabilities = Path | tuple[Path, ...]  # a channel for each label, or a file for each


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


@dataclass(frozen=True, eq=False)
class CaseScores:
    """What one case comes to.

    Attributes:
        scores: label -> metric -> value in the metric's unit, NaN where the metric's rule leaves it out.
        counts: label -> scored voxels in both masks, in one and in none.
        reliability: label -> its voxels by probability; empty where probabilities are not asked for.
    """

    scores: Scores
    counts: dict[str, Counts]
    reliability: dict[str, Reliability]

    def without(self, absent: Collection[str]) -> CaseScores:
        """Return the same, where labels that nobody drew in the reference have no score and are counted nowhere."""
        return CaseScores(
            without_labels(self.scores, absent),
            {label: counts for label, counts in self.counts.items() if label not in absent},
            {label: bins for label, bins in self.reliability.items() if label not in absent},
        )


def without_labels(scores: Scores, absent: Collection[str]) -> Scores:
    """Return the scores of a case in which those of labels that nobody drew are left out (NaN)."""
    return {label: dict.fromkeys(values, math.nan) if label in absent else values for label, values in scores.items()}


def evaluate_arrays(
    mask: NDArray[Any],
    reference: NDArray[Any],
    grid: Grid,
    labels: Declared,
    settings: Settings | None = None,
    *,
    mask_name: str = "the mask",
    reference_name: str = "the reference",
) -> Scores:
    """Score every foreground label of a mask.

    Args:
        mask: predicted values, shape (X, Y[, Z]); any number type that holds whole numbers.
        reference: the expert's values, same shape.
        grid: their common grid, in mm: `Grid(mask.shape, affine)`.
        labels: name -> value, or values of a region; every value that occurs must be declared, only the background's
            need not. Voxels whose reference has the value of `ignore` count nowhere.
        settings: which metrics, by which conventions; None takes those of `conf/evaluate.yaml`.
        mask_name: names `mask` in errors.
        reference_name: names `reference` in errors.

    Returns:
        Label -> metric -> value in the metric's unit, NaN where the metric's rule leaves it out.

    Raises:
        DataError: when a value is not declared or no whole number, or the shapes differ.
        UsageError: when `labels` is ambiguous or names only the background, or there is no such metric.
    """
    settings = settings or Settings()
    names = (mask_name, reference_name)
    return score_case((mask, reference), grid, labels, settings, chosen(settings), names=names).scores


def score_case(
    arrays: tuple[NDArray[Any], NDArray[Any]],
    grid: Grid,
    labels: Declared,
    settings: Settings,
    metrics: Sequence[Metric],
    *,
    probabilities: Mapping[str, NDArray[Any]] | None = None,
    names: tuple[str, str] = ("the mask", "the reference"),
) -> CaseScores:
    """Score every foreground label of a mask with some metrics.

    Args:
        arrays: predicted values and the expert's, as for `evaluate_arrays`.
        grid: their common grid, in mm.
        labels: as for `evaluate_arrays`.
        settings: by which conventions.
        metrics: as `chosen` returns them.
        probabilities: label -> its probability at each voxel, from 0 to 1, shape (X, Y[, Z]).
        names: of both arrays in errors.

    Raises:
        DataError: as `evaluate_arrays`.
        UsageError: as `evaluate_arrays`.
    """
    mask, reference = arrays
    check_alike(mask, reference, *names)
    foreground, scored = foreground_of(labels), None
    background = values_of(BACKGROUND, labels.get(BACKGROUND, 0))
    if IGNORE in labels:
        scored = reference != values_of(IGNORE, labels[IGNORE])[0]
        mask, reference = (np.where(scored, array, background[0]) for array in arrays)
    ignored = 0 if scored is None else scored.size - int(np.count_nonzero(scored))
    counts = _counted((mask, reference), foreground, background, ignored, names)
    boxes = Boxes(mask, reference, zero=any(0 in values for values in foreground.values()))
    scores, reliability = dict[str, dict[str, float]](), dict[str, Reliability]()
    for name, values in foreground.items():
        probability = None if probabilities is None else probabilities[name]
        pair = LabelPair(counts[name], mask, reference, values, grid, name, settings, boxes, probability, scored)
        scores[name] = {metric.name: metric.score(pair) for metric in metrics}
        if any(metric.needs_probabilities for metric in metrics):
            reliability[name] = pair.reliability
    return CaseScores(scores, counts, reliability)


def _counted(
    arrays: tuple[NDArray[Any], NDArray[Any]],
    foreground: Members,
    background: tuple[int, ...],
    ignored: int,
    names: tuple[str, str],
) -> dict[str, Counts]:
    """Count each label's voxels without the `ignored` ones, which are background in both arrays by now."""
    found = count_labels(
        *arrays, list(foreground.values()), also=background, mask_name=names[0], reference_name=names[1]
    )
    counts = dict(zip(foreground, found, strict=True))
    for name, values in foreground.items():
        # They are in neither mask of a label, or in both of a region that holds the background's value too.
        kind = "true_positives" if background[0] in values else "true_negatives"
        counts[name] = replace(counts[name], **{kind: getattr(counts[name], kind) - ignored})
    return counts


def score_pair(
    mask_path: Path,
    reference_path: Location,
    labels: Declared,
    settings: Settings | None = None,
    *,
    probability_path: Probabilities | None = None,
    tolerance: float | None = None,
) -> CaseScores:
    """Read a mask, its reference and, where there are any, its probabilities, and score every foreground label.

    Args:
        mask_path: the prediction, one channel.
        reference_path: the expert's segmentation, one channel.
        labels: as for `evaluate_arrays`.
        settings: which metrics, by which conventions; None takes those of `conf/evaluate.yaml`.
        probability_path: a channel, or a file, for each label in the order in which they are declared, on the mask's
            grid; None where probabilities are not known.
        tolerance: largest distance in mm between equal voxels of both files; None takes `Grid.check_same_as`'s own.

    Raises:
        GeometryError: when the grids differ in shape or by more than `tolerance`.
        DataError: when a file cannot be read, has several channels, or holds values that are not declared.
        UsageError: as `evaluate_arrays`.
    """
    settings = settings or Settings()
    names = _names(mask_path, reference_path)
    metrics = chosen(settings, with_probabilities=probability_path is not None)
    mask, grid = _read_mask(mask_path, names[0], in_colour(labels))
    reference, reference_grid = _read_mask(reference_path, names[1], in_colour(labels))
    grid.check_same_as(reference_grid, what=f"{names[0]} and {names[1]}", tolerance=tolerance)
    probabilities = None if probability_path is None else read_probabilities(probability_path, labels, grid, tolerance)
    arrays = (mask, reference)
    return score_case(arrays, reference_grid, labels, settings, metrics, probabilities=probabilities, names=names)


def read_probabilities(
    path: Probabilities, labels: Declared, grid: Grid, tolerance: float | None = None
) -> dict[str, NDArray[Any]]:
    """Read the probability of each label.

    Args:
        path: a volume with a channel for each declared label but `ignore`, in their order; with or without the
            background, where it comes first; or a file for each of them but the background.
        labels: as declared.
        grid: of the mask.
        tolerance: largest distance in mm between equal voxels of both.

    Returns:
        Label -> its channel, shape (X, Y[, Z]), background excluded.

    Raises:
        DataError: when the channels are not as many as labels.
        GeometryError: when the grids differ.
    """
    names = list(foreground_of(labels))
    if isinstance(path, tuple):
        parts = [read_probabilities(one, {name: 1}, grid, tolerance) for one, name in zip(path, names, strict=True)]
        return {name: array for part in parts for name, array in part.items()}
    volume = read(path)
    volume.grid.check_same_as(grid, what=f"{path.name} and the mask", tolerance=tolerance)
    channels = volume.array[-len(names) :]  # behind the background's, where there is one
    if len(volume.array) not in (len(names), len(names) + 1):
        raise DataError(
            f"{path.name} has {len(volume.array)} channels: probabilities have one for each label "
            f"({', '.join(names)}), and may have one for the background before them"
        )
    return dict(zip(names, channels, strict=True))


def foreground_values(path: Location) -> list[int]:
    """Return the distinct non-zero values of a mask on disk, sorted.

    Raises:
        DataError: when the file cannot be read, is no mask, or holds more than 2000 values.
    """
    array, _ = _read_mask(path, path.name)
    return list(boxes_of(array, path.name))


def voxels_at(path: Location) -> int:
    """Return how many voxels a file has by its header; 0 where it cannot be read, which is told when it is scored."""
    try:
        return math.prod(read_grid(path).shape)
    except SegkitError:
        return 0


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
