"""How many lesions are found, and how many are invented."""

from __future__ import annotations

from collections.abc import Callable

from segkit.evaluation.metrics import LabelPair, Metric
from segkit.evaluation.settings import LesionSettings, Settings


def METRICS(settings: Settings) -> tuple[Metric, ...]:  # noqa: N802  (declares, as METRIC does)
    """Return sensitivity, precision, F1 and the number of false positives, over the lesions of a case.

    Source: Maier-Hein et al. 2024, Nature Methods 21, "Metrics reloaded", object detection and instance segmentation.
    """
    how = in_words(settings.lesions)
    return (
        _share("lesion_sensitivity", f"found over reference lesions; {how}", sensitivity),
        _share("lesion_precision", f"found over predicted lesions; {how}", precision),
        _share("lesion_f1", f"2 found / (predicted + reference lesions); {how}", f1),
        Metric(
            name="lesion_false_positives",
            unit="lesions",
            definition=f"predicted lesions that are no reference lesion; {how}",
            higher_is_better=False,
            compute=false_positives,
            one_empty=None,
            group="lesions",
            best=0.0,
            both_empty=0.0,  # a healthy case without a finding is one without a false finding
        ),
    )


def in_words(settings: LesionSettings) -> str:
    """Return what makes a lesion and a pair, for definitions."""
    lesion = "values" if settings.instances == "values" else f"components over {settings.connectivity}"
    measure = "IoU" if settings.match == "iou" else "covered share of the reference lesion"
    return f"lesions are {lesion}, paired one to one where {measure} is {settings.threshold:g} or more"


def sensitivity(pair: LabelPair) -> float:
    """Return the share of the reference's lesions that are found, from 0 to 1."""
    return pair.lesions.sensitivity


def precision(pair: LabelPair) -> float:
    """Return the share of the predicted lesions that are there, from 0 to 1."""
    return pair.lesions.precision


def f1(pair: LabelPair) -> float:
    """Return the harmonic mean of both, from 0 to 1."""
    return pair.lesions.f1


def false_positives(pair: LabelPair) -> float:
    """Return how many predicted lesions are none."""
    return pair.lesions.invented


def _share(name: str, definition: str, compute: Callable[[LabelPair], float]) -> Metric:
    return Metric(name, "", definition, True, compute, 0.0, group="lesions", best=1.0)
