"""Writes an evaluation as nnU-Net does, for tools that read its `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from segkit.config.labels import Declared, values_of
from segkit.evaluation.confusion import Counts
from segkit.evaluation.summary import Evaluation
from segkit.foundation.files import write_json
from segkit.volumes.selection import Location

Figures = dict[str, float]
NAMES = ("Dice", "FN", "FP", "IoU", "TN", "TP", "n_pred", "n_ref")


def write_nnunet_summary(
    evaluation: Evaluation, labels: Declared, pairs: Mapping[str, tuple[Path, Location]], path: Path
) -> Path:
    """Write `summary.json` as nnU-Net 2 has it, whole or not at all.

    Args:
        evaluation: with the counts of each case.
        labels: name -> value or values of a region, by which nnU-Net calls labels: `1`, `(1, 2)`.
        pairs: case -> (mask, reference).
        path: of the file.

    Returns:
        `path`. Counts are voxels; Dice and IoU are null where neither mask holds the label (nnU-Net writes NaN, which
        is not JSON), and means pass over these. A case has no figures of a label that nobody drew in its reference.

    Source: nnU-Net 2, `nnunetv2/evaluation/evaluate_predictions.py`.
    """
    keys = {name: _key(values_of(name, labels[name])) for name in evaluation.labels}
    cases = [
        {
            "metrics": {keys[label]: _figures(counts) for label, counts in by_label.items()},
            "prediction_file": str(pairs[case][0]),
            "reference_file": str(pairs[case][1]),
        }
        for case, by_label in evaluation.counts.items()
    ]
    per_case: list[Any] = [case["metrics"] for case in cases]
    means = {key: _means([metrics[key] for metrics in per_case if key in metrics]) for key in keys.values()}
    tree = {"foreground_mean": _means(list(means.values())), "mean": means, "metric_per_case": cases}
    write_json(path, tree)
    return path


def _key(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(values) == 1 else str(values)


def _figures(counts: Counts) -> Figures:
    # By nnU-Net's rules, whatever the settings say: a missed or invented label has Dice 0, one in neither none.
    union = counts.in_mask + counts.false_negatives
    shared = counts.true_positives
    return {
        "Dice": 2 * shared / (counts.in_mask + counts.in_reference) if union else math.nan,
        "FN": counts.false_negatives,
        "FP": counts.false_positives,
        "IoU": shared / union if union else math.nan,
        "TN": counts.true_negatives,
        "TP": shared,
        "n_pred": counts.in_mask,
        "n_ref": counts.in_reference,
    }


def _means(figures: list[Figures]) -> Figures:
    """Return the mean of each figure over those that are numbers."""
    columns = {name: [one[name] for one in figures if not math.isnan(one[name])] for name in NAMES}
    return {name: fmean(values) if values else math.nan for name, values in columns.items()}
