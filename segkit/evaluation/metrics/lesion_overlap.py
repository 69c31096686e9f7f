"""How well the lesions that are found are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from segkit.evaluation.metrics import LabelPair, Metric
from segkit.evaluation.metrics.lesion_detection import in_words
from segkit.evaluation.settings import Settings


def METRICS(settings: Settings) -> tuple[Metric, ...]:  # noqa: N802  (declares, as METRIC does)
    """Return the panoptic quality, the Dice of lesions, and that of each size class of the settings."""
    how = in_words(settings.lesions)
    overall = (
        Metric(
            name="panoptic_quality",
            unit="",
            definition=f"sum of the pairs' IoU / (found + missed / 2 + invented / 2); {how}",
            higher_is_better=True,
            compute=panoptic_quality,
            one_empty=0.0,
            group="lesions",
            best=1.0,
        ),
        Metric(
            "lesion_dice", "", f"mean Dice of the pairs, 0 without one; {how}", True, paired_dice, 0.0, "lesions", 1.0
        ),
    )
    bounds = (0.0, *settings.lesions.sizes, math.inf)
    return overall + tuple(_of_size(low, high) for low, high in pairwise(bounds) if settings.lesions.sizes)


def panoptic_quality(pair: LabelPair) -> float:
    """Return segmentation quality times recognition quality, from 0 to 1.

    Source: Kirillov et al. 2019, CVPR, "Panoptic segmentation".
    """
    return pair.lesions.panoptic_quality


def paired_dice(pair: LabelPair) -> float:
    """Return the mean Dice of the pairs, from 0 to 1."""
    return float(pair.lesions.dice.mean()) if pair.lesions.found else 0.0


def dice_of_size(low: float, high: float) -> Callable[[LabelPair], float]:
    """Return the function for the mean Dice of reference lesions of at least `low` and less than `high` ml.

    A lesion that is missed counts as 0; a case without one of that size has no value.
    """

    def compute(pair: LabelPair) -> float:
        if not pair.counts.in_reference:
            return math.nan
        ml = pair.lesions.expected * pair.voxel_ml
        chosen = (ml >= low) & (ml < high)
        return float(np.mean(pair.lesions.dice_of_expected[chosen])) if chosen.any() else math.nan

    return compute


def _of_size(low: float, high: float) -> Metric:
    name = f"from_{low:g}" + ("ml" if math.isinf(high) else f"_to_{high:g}ml") if low else f"below_{high:g}ml"
    of = f"of at least {low:g} ml" + ("" if math.isinf(high) else f" and less than {high:g} ml")
    definition = f"mean Dice of reference lesions {of}, 0 for a missed one; left out and counted without one"
    return Metric(f"lesion_dice_{name}", "", definition, True, dice_of_size(low, high), None, "lesions")
