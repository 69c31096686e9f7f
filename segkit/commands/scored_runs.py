"""Scores of the runs that `segkit compare` ranks: on which cases, and from where; what has none is evaluated first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segkit.config.commands import CompareConfig
from segkit.datasets.splits import split_from
from segkit.evaluation.comparison.comparison import Method
from segkit.foundation.console import say, warn
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, StoppedError, UsageError
from segkit.foundation.failures import failures_said
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import read_record
from segkit.studies.runs import FoundRun
from segkit.studies.saved import Saved, read_evaluation, summary_of

AUTO, HELD_OUT, VALIDATION = "auto", "held_out", "validation"


def finished(runs: Sequence[FoundRun]) -> list[FoundRun]:
    """Return the runs that came to their end; the others are named.

    Raises:
        DataError: when none did.
    """
    for run in runs:
        if not run.is_finished:
            warn(f"{run.name} is left out: {run.state}")
    done = [run for run in runs if run.is_finished]
    if not done:
        raise DataError("no run has finished: there is nothing to compare")
    return done


def by_data(runs: Sequence[FoundRun]) -> dict[str, list[FoundRun]]:
    """Return the runs of each data set, by its name; all together where there is one, or none is known.

    Raises:
        UsageError: when there are several, and of a run nobody knows which one it is of.
    """
    names = sorted({run.data for run in runs if run.data})
    if len(names) < 2:
        return {"".join(names): list(runs)}
    unknown = [run.name for run in runs if not run.data]
    if unknown:
        raise UsageError(
            f"runs: {unknown[0]} names no data set, and the others are of {' and '.join(names)}: compare it with the "
            "runs of its own"
        )
    return {name: [run for run in runs if run.data == name] for name in names}


def split_for(wanted: str, runs: Sequence[FoundRun], *, baseline: str | None) -> str:
    """Return the cases to compare on: those that validate where every run has some, else the held-out ones.

    Where the held-out cases would choose between runs, that is said: what the winner scores on them is then no
    estimate any more of what it is worth.
    """
    trained = [run for run in runs if run.folder.is_run]
    splits = [split_from(load_json(run.folder.split), where=str(run.folder.split)) for run in trained]
    if wanted == AUTO:
        wanted = VALIDATION if splits and all(split.validation for split in splits) else HELD_OUT
    if wanted == HELD_OUT and len(trained) > 1 and baseline is None:
        warn(
            f"the held-out cases decide between {len(trained)} runs: choose by them, and they no longer tell what the "
            "winner is worth. split=validation, where folds validate, keeps them for the end"
        )
    return wanted


def scored_runs(
    runs: Sequence[FoundRun], split: str, config: CompareConfig
) -> tuple[list[tuple[FoundRun, Saved]], list[str]]:
    """Return the runs with their scores, and the names of those that have none, whose reasons are said.

    Raises:
        DataError: when none has any.
    """
    scored, failed = [], []
    with failures_said("runs") as tell:
        for run in runs:
            try:
                scored.append((run, saved_scores(run, split, config)))
            except StoppedError:
                raise
            except SegkitError as problem:
                tell(run.name, str(problem))
                failed.append(run.name)
    if not scored:
        raise DataError(f"none of {len(failed)} runs has {split} scores: there is nothing to compare")
    return scored, failed


def saved_scores(run: FoundRun, split: str, config: CompareConfig) -> Saved:
    """Return a run's scores on a split; where they are not there, or are another model's, it is evaluated first.

    Raises:
        SegkitError: when scores cannot be read, or the run had to be evaluated and could not be.
    """
    if not run.folder.is_run:
        return read_evaluation(run.folder.path)
    usual = run.folder.evaluation
    places = [place for place in (usual, usual / split) if is_of(place, run.folder, split)]
    if not places:
        from segkit.commands.evaluate import evaluate
        from segkit.config.compose import configure

        recorded = (summary_of(usual).get("source") or {}).get("split", split)
        place = usual if recorded == split else usual / split  # scores of another split stay
        say(f"{run.name}: evaluating its {split} cases")
        words = [f"run={run.folder.path}", f"split={split}", f"output={place}", f"device={config.device}"]
        wanted = replace(configure("evaluate", words), trust=config.trust, workers=config.workers)
        try:
            evaluate(wanted)
        except CasesFailedError as problem:  # the other cases are scored, and those that all runs have are compared
            warn(f"{run.name}: {problem}")
        places = [place]
    return read_evaluation(places[0])


def is_of(place: Path, folder: RunFolder, split: str) -> bool:
    """Say whether a folder holds the scores of a run's own model on a split."""
    if not (place / "cases.csv").is_file():
        return False
    source = summary_of(place).get("source") or {}
    return source.get("split") == split and source.get("weights") == [read_record(folder.model).weights]


def warn_of_labels(methods: Sequence[Method]) -> None:
    """Say which labels enter no mean, since not every run was scored on them."""
    labels = [{label for by_label in method.scores.values() for label in by_label} for method in methods]
    if only_some := sorted(labels[0].union(*labels) - labels[0].intersection(*labels)):
        warn(f"labels that not every run has scores for are left out: {', '.join(only_some)}")
