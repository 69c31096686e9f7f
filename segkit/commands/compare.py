"""`segkit compare runs=GLOB`: which run is better on the same cases, and whether that is more than luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segkit.config.commands import CompareConfig
from segkit.config.suggestions import did_you_mean
from segkit.datasets.splits import split_from
from segkit.evaluation.comparison.comparing import compare as compare_methods
from segkit.evaluation.comparison.comparison import Comparison, Method, Question
from segkit.foundation.console import error, paths_written, say, table, warn
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, StoppedError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import read_record
from segkit.studies.leaderboard import asked_lines, effects_table, leaderboard_table, write_comparison
from segkit.studies.pooling import pooled
from segkit.studies.runs import FoundRun, found_runs, is_study
from segkit.studies.saved import Meaning, Saved, read_evaluation, summary_of

AUTO, HELD_OUT, VALIDATION = "auto", "held_out", "validation"


def compare(config: CompareConfig) -> Comparison:
    """Rank runs, print the leaderboard and what one may say of the winner, and write both.

    Returns:
        the comparison.

    Raises:
        UsageError: when a metric, label or baseline is not there.
        DataError: when there is nothing to compare.
        CasesFailedError: when runs had to be scored first and could not be; the others were compared.
    """
    paths = [Path(run) for run in config.runs]
    output = output_for(config, paths)
    if output:
        check_writable(output)
    runs = finished(found_runs(paths))
    split = split_for(config.split, runs)
    scored, failed = scored_runs(runs, split, config)
    methods = pooled(scored, config.pool)
    warn_of_labels(methods)
    question = question_of(config, [saved for _, saved in scored])
    clusters = {case: patient for _, saved in scored for case, patient in saved.clusters.items()}
    comparison = compare_methods(methods, question, clusters)
    show(comparison, config.difference)
    if output:
        paths_written(write_comparison(comparison, output))
    if failed:
        raise CasesFailedError(f"could not be scored and left out: {', '.join(failed)}")
    return comparison


def output_for(config: CompareConfig, paths: Sequence[Path]) -> Path | None:
    """Return the folder of the results: the one that is named, else the study; of several places none."""
    if config.output:
        return Path(config.output)
    return paths[0] if len(paths) == 1 and is_study(paths[0]) else None


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


def split_for(wanted: str, runs: Sequence[FoundRun]) -> str:
    """Return the cases to compare on: the held-out ones where every run has some, else those that validate."""
    if wanted != AUTO:
        return wanted
    splits = [split_from(load_json(run.folder.split), where=str(run.folder.split)) for run in runs if run.folder.is_run]
    return HELD_OUT if all(split.held_out for split in splits) else VALIDATION


def scored_runs(
    runs: Sequence[FoundRun], split: str, config: CompareConfig
) -> tuple[list[tuple[FoundRun, Saved]], list[str]]:
    """Return the runs with their scores, and the names of those that have none, whose reasons are said.

    Raises:
        DataError: when none has any.
    """
    scored, failed = [], []
    for run in runs:
        try:
            scored.append((run, saved_scores(run, split, config)))
        except StoppedError:
            raise
        except SegkitError as problem:
            error(f"{run.name}: {problem}")
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


def question_of(config: CompareConfig, scored: Sequence[Saved]) -> Question:
    """Return what is asked, with what is known of the metric.

    Raises:
        UsageError: when nothing says whether the metric's higher values are better.
    """
    known: dict[str, Meaning] = {name: told for saved in scored for name, told in saved.metrics.items()}
    if config.metric not in known:
        hint = did_you_mean(config.metric, known) or ";"
        raise UsageError(f"metric: nothing is known of a metric {config.metric}{hint} metrics: {', '.join(known)}")
    meaning = known[config.metric]
    return Question(
        metric=config.metric, higher_is_better=meaning.higher_is_better, unit=meaning.unit, label=config.label,
        baseline=config.baseline, difference=config.difference, resamples=config.bootstrap.resamples,
        seed=config.bootstrap.seed,
    )  # fmt: skip


def show(comparison: Comparison, difference: float | None) -> None:
    """Print the leaderboard, the effect of each choice, and the verdict."""
    of = "mean over labels" if comparison.label == "mean" else comparison.label
    title = f"{len(comparison.standings)} runs on the same {len(comparison.cases)} cases, {of}"
    title += f"; difference to {comparison.against}" if len(comparison.standings) > 1 else ""
    table(title, *leaderboard_table(comparison))
    if comparison.left_out:
        shown = ", ".join(comparison.left_out[:5]) + (" ..." if len(comparison.left_out) > 5 else "")
        warn(f"{len(comparison.left_out)} cases are left out, since not every run has a score for them: {shown}")
    if comparison.effects:
        table("what each choice does, all others being the same", *effects_table(comparison))
    for line in asked_lines(comparison, difference) if difference else []:
        say(line)
    say(comparison.verdict)
