"""Runs that differ in nothing but their fold, or their seed, as one method."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segkit.evaluation.comparison.choices import told, varied_keys
from segkit.evaluation.comparison.comparison import Method
from segkit.evaluation.summary import Scores
from segkit.studies.naming import told_apart
from segkit.studies.runs import FoundRun, hours_of
from segkit.studies.saved import Saved


@dataclass(frozen=True)
class Pool:
    """Runs that are one method.

    Attributes:
        name: tells it from the others.
        choices: in which the methods differ, key -> value; empty where nobody knows what was chosen.
        runs: that differ in nothing else.
    """

    name: str
    choices: Mapping[str, str]
    runs: tuple[FoundRun, ...]

    @property
    def hours(self) -> float | None:
        """Hours of training, all runs together; None where that is not known of each."""
        hours = [hours_of(run.folder) for run in self.runs]
        known = [each for each in hours if each is not None]
        return sum(known) if known and len(known) == len(hours) else None


def pools(runs: Sequence[FoundRun], keys: Sequence[str]) -> list[Pool]:
    """Return the sets of runs that differ in `keys` alone, choices such as `training.fold`."""
    groups = _groups(runs, keys)
    kept = [_without(group[0], keys) for group in groups]
    varied = varied_keys([one for one in kept if one])  # of scores without a run nobody knows what was chosen
    names = _studies(groups) or [_name(group, one, varied) for group, one in zip(groups, kept, strict=True)]
    homes = told_apart([group[0].folder.path.parent for group in groups])
    return [
        Pool(name if names.count(name) == 1 else f"{name} ({home})", told(one, varied) if one else {}, tuple(group))
        for name, home, one, group in zip(names, homes, kept, groups, strict=True)
    ]


def _groups(runs: Sequence[FoundRun], keys: Sequence[str]) -> list[list[FoundRun]]:
    groups: dict[tuple[object, ...], list[FoundRun]] = {}
    for run in runs:
        is_pooled = any(key in run.choices for key in keys)
        # Runs without any of these keys, and folders of scores, stand for themselves.
        rest = tuple(sorted(_without(run, keys).items()))
        groups.setdefault(rest if is_pooled else (run.folder.path,), []).append(run)
    return [part for group in groups.values() for part in _by_study(group, keys)]


def _by_study(group: Sequence[FoundRun], keys: Sequence[str]) -> list[list[FoundRun]]:
    """Return a group as it is, or where a fold comes twice the part of each study: its words were the same twice."""
    pooled_over = [tuple(run.choices.get(key) for key in keys) for run in group]
    if len(set(pooled_over)) == len(group):
        return [list(group)]
    studies: dict[Path, list[FoundRun]] = {}
    for run in group:
        studies.setdefault(run.folder.path.parent, []).append(run)
    return list(studies.values())


def pooled(runs: Sequence[tuple[FoundRun, Saved]], keys: Sequence[str]) -> list[Method]:
    """Return a method for each set of runs that differ in `keys` alone; their cases are put together.

    A case that several of them score, as those of several seeds do, gets the mean of its scores.

    Args:
        runs: with their scores.
        keys: choices over which runs are pooled, such as `training.fold`.
    """
    scores = {run.folder.path: saved.scores for run, saved in runs}
    return [
        Method(
            pool.name,
            mean_scores([scores[run.folder.path] for run in pool.runs]),
            pool.choices,
            pool.hours,
            tuple(str(run.folder.path) for run in pool.runs),
        )
        for pool in pools([run for run, _ in runs], keys)
    ]


def mean_scores(tables: Sequence[Mapping[str, Scores]]) -> dict[str, dict[str, dict[str, float]]]:
    """Return the mean of each value over the tables that have it; NaN where none does."""
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    for table in tables:
        for case, by_label in table.items():
            for label, by_metric in by_label.items():
                found = values.setdefault(case, {}).setdefault(label, {})
                for metric, value in by_metric.items():
                    found.setdefault(metric, []).append(value)
    return {
        case: {label: {metric: _mean(of) for metric, of in metrics.items()} for label, metrics in labels.items()}
        for case, labels in values.items()
    }


def _mean(values: Sequence[float]) -> float:
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def _without(run: FoundRun, keys: Sequence[str]) -> dict[str, str]:
    return {key: value for key, value in run.choices.items() if key not in keys}


def _studies(groups: Collection[Sequence[FoundRun]]) -> list[str]:
    """Return the names of studies where each is one method in folds, and the best name for it; else nothing."""
    parents = [{run.folder.path.parent.name for run in group} for group in groups]
    names = [name for parent in parents for name in parent]
    is_one_each = len(names) == len(set(names)) == len(parents) and all(len(group) > 1 for group in groups)
    return names if is_one_each else []


def _name(group: Sequence[FoundRun], choices: Mapping[str, str], varied: Sequence[str]) -> str:
    if len(group) == 1:
        return group[0].name
    parent = group[0].folder.path.parent
    return ",".join(f"{key}={value}" for key, value in told(choices, varied).items()) or parent.name
