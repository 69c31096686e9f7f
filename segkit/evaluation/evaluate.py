"""Scores many cases side by side: the door to this package."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

from segkit.config.labels import Declared
from segkit.evaluation.calibration import Reliability
from segkit.evaluation.cases import CaseScores, Probabilities, foreground_of, foreground_values, score_pair, voxels_at
from segkit.evaluation.grouping import Grouping
from segkit.evaluation.metrics import chosen
from segkit.evaluation.settings import Settings, check_tolerances
from segkit.evaluation.summary import Evaluation, summarise
from segkit.evaluation.tables import evaluation_table, group_tables, write_evaluation
from segkit.foundation.console import progress
from segkit.foundation.errors import DataError
from segkit.foundation.parallel import Outcome, parallel_map
from segkit.volumes.selection import Location

__all__ = ["Evaluation", "evaluate_pairs", "evaluation_table", "group_tables", "write_evaluation"]

BYTES_PER_VOXEL = 22  # two files read as float64, the widest that is common, and a label that fills the image
FEW_VOXELS = 100_000_000  # read and counted in about the time that other processes take to start

Value = TypeVar("Value")


class _Pair(NamedTuple):
    case: str
    mask: Path
    reference: Location
    probability: Probabilities | None = None


def evaluate_pairs(
    pairs: Mapping[str, tuple[Path, Location]],
    labels: Declared | None = None,
    settings: Settings | None = None,
    *,
    probabilities: Mapping[str, Probabilities] | None = None,
    workers: int | None = None,
    bootstrap: int = 10_000,
    seed: int = 0,
    tolerance: float | None = None,
    failed: Mapping[str, str] | None = None,
    grouping: Grouping | None = None,
    unlabelled: Mapping[str, Collection[str]] | None = None,
) -> Evaluation:
    """Score masks against references, per case and label, and summarise over the cases.

    Args:
        pairs: case -> (mask, reference).
        labels: as `data.labels` declares them; by default every non-zero value of the references, named by itself.
        settings: which metrics, by which conventions; None takes those of `conf/evaluate.yaml`.
        probabilities: case -> volume with a channel for each label, or a volume for each label, for the calibration;
            None where there are none.
        workers: processes; by default as many as cores and memory allow, and one where there is little to read.
        bootstrap: resamples behind the intervals.
        seed: of the bootstrap.
        tolerance: largest distance in mm between equal voxels of both files; None takes that of `Grid.check_same_as`.
        failed: cases that could not be paired, with the reason: they are reported with those that fail here.
        grouping: groups of cases with statistics of their own, and patients whose cases are drawn together.
        unlabelled: by case the labels that nobody drew in its reference; they are left out there.

    Returns:
        Scores and statistics; a case that fails is named in `failed` and the others are finished.

    Raises:
        DataError: when there is no pair, or no label is given and none is found.
        UsageError: when `labels` is ambiguous or names only the background, or there is no metric of a name.
    """
    if not pairs:
        raise DataError("there is nothing to evaluate: no case has both a mask and a reference")
    settings = settings or Settings()
    if probabilities is not None:
        settings = replace(settings, compute=(*settings.compute, "calibration"))
    metrics = chosen(settings, with_probabilities=probabilities is not None)
    todo, failures = _todo(pairs, probabilities, failed or {})
    declared: Declared = _labels_found(todo, workers) if labels is None else dict(labels)
    names, cases = list(foreground_of(declared)), dict[str, CaseScores]()
    check_tolerances(settings, names)
    score = partial(_score, labels=declared, settings=settings, tolerance=tolerance)
    for outcome in _side_by_side(score, todo, workers, "evaluating"):
        if outcome.value is None:
            failures[outcome.item.case] = str(outcome.error)
        else:
            cases[outcome.item.case] = outcome.value.without((unlabelled or {}).get(outcome.item.case, ()))
    scores = {case: cases[case].scores for case in sorted(cases)}
    metric_names = [metric.name for metric in metrics]
    summary = summarise(scores, names, metric_names, failed=failures, resamples=bootstrap, seed=seed, grouping=grouping)
    counts = {case: cases[case].counts for case in scores}
    return replace(summary, metrics=metrics, counts=counts, reliability=_pooled(cases.values()))


def _todo(
    pairs: Mapping[str, tuple[Path, Location]],
    probabilities: Mapping[str, Probabilities] | None,
    failed: Mapping[str, str],
) -> tuple[list[_Pair], dict[str, str]]:
    """Return what is to be scored, and why the rest is not."""
    known = probabilities or {}
    lacking = {case for case in pairs if probabilities is not None and case not in known}
    todo = [_Pair(case, *pair, known.get(case)) for case, pair in pairs.items() if case not in lacking]
    return todo, {**failed, **dict.fromkeys(sorted(lacking), "there is no file of its probabilities")}


def _pooled(cases: Iterable[CaseScores]) -> dict[str, Reliability]:
    """Add the cases' voxels up, label by label."""
    total: dict[str, Reliability] = {}
    for case in cases:
        for label, own in case.reliability.items():
            total[label] = total[label] + own if label in total else own
    return total


def _score(pair: _Pair, labels: Declared, settings: Settings, tolerance: float | None) -> CaseScores:
    return score_pair(
        pair.mask, pair.reference, labels, settings, probability_path=pair.probability, tolerance=tolerance
    )


def _values(pair: _Pair) -> list[int]:
    return foreground_values(pair.reference)


def _labels_found(todo: Sequence[_Pair], workers: int | None) -> dict[str, int]:
    """Name every non-zero value of the references; one that cannot be read is reported when it is scored."""
    outcomes = list(_side_by_side(_values, todo, workers, "looking for labels"))
    found = {value for outcome in outcomes for value in outcome.value or ()}
    if not found:
        errors = [f"{outcome.item.case}: {outcome.error}" for outcome in outcomes if outcome.error]
        raise DataError(errors[0] if errors else "no reference holds a value other than 0: there is no label to score")
    return {str(value): value for value in sorted(found)}


def _side_by_side(
    function: Callable[[_Pair], Value], todo: Sequence[_Pair], workers: int | None, what: str
) -> Iterator[Outcome[_Pair, Value]]:
    """Apply a function to every pair, with as many workers as their sizes suggest."""
    sizes = [voxels_at(pair.reference) for pair in todo]
    if workers is None and sum(sizes) < FEW_VOXELS:
        workers = 1
    outcomes = parallel_map(
        function, todo, workers=workers, bytes_each=BYTES_PER_VOXEL * max(sizes, default=0), name=attrgetter("case")
    )
    return progress(outcomes, len(todo), what)
