"""Calibration of the probability that a voxel has the label."""

from __future__ import annotations

from collections.abc import Callable

from segkit.evaluation.metrics import LabelPair, Metric
from segkit.evaluation.settings import Settings

BRIER = "mean over voxels of (probability - truth)^2"


def METRICS(settings: Settings) -> tuple[Metric, ...]:  # noqa: N802  (declares, as METRIC does)
    """Return the expected calibration error and the Brier score; `Reliability` names the papers."""
    error = f"mean over voxels of |mean probability - frequency| in {settings.bins} bins of equal width"
    return (_of_probabilities("ece", error, expected_error), _of_probabilities("brier", BRIER, brier))


def expected_error(pair: LabelPair) -> float:
    """Return the expected calibration error over all voxels, from 0 to 1."""
    return pair.reliability.expected_error


def brier(pair: LabelPair) -> float:
    """Return the Brier score over all voxels, from 0 to 1."""
    return pair.reliability.brier


def _of_probabilities(name: str, definition: str, compute: Callable[[LabelPair], float]) -> Metric:
    return Metric(
        name=name,
        unit="",
        definition=definition,
        higher_is_better=False,
        compute=compute,
        one_empty=None,
        group="calibration",
        both_empty=None,  # a label that is nowhere has a probability all the same
        needs_probabilities=True,
    )
