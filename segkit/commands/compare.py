"""`segkit compare runs=GLOB`: which run is better on the same cases, and whether that is more than luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from segkit.commands.scored_runs import by_data, finished, scored_runs, split_for, warn_of_labels
from segkit.config.commands import CompareConfig
from segkit.evaluation.comparison.comparing import compare as compare_methods
from segkit.evaluation.comparison.comparison import Comparison, Question
from segkit.foundation.console import paths_written, say, table, warn
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.suggestions import did_you_mean, some_of
from segkit.reports.leaderboard_page import write_leaderboard_page
from segkit.studies.across import across_table, baselines, write_across
from segkit.studies.leaderboard import effects_table, leaderboard_table, lines_on_cases_needed, write_comparison
from segkit.studies.pooling import pooled, pools
from segkit.studies.runs import FoundRun, found_runs, holds_runs
from segkit.studies.saved import Meaning, Saved


def compare(config: CompareConfig) -> list[Comparison]:
    """Rank runs, print and write the leaderboard and what one may say of the winner; with `best`, make it a model.

    Returns:
        a comparison for each data set that the runs were trained on.

    Raises:
        UsageError: when a metric, label or baseline is not there.
        DataError: when there is nothing to compare.
        CasesFailedError: when runs had to be scored first and could not be; the others were compared.
    """
    paths = [Path(run) for run in config.runs]
    runs = finished(found_runs(paths))
    if config.best:
        from segkit.commands.best_configuration import best_configuration  # PyTorch takes 2 s to load

        return [best_configuration(config, runs)]
    output = output_for(config, paths)
    if output:
        check_writable(output)
    sets = by_data(runs)
    baseline: Mapping[str, str | None] = dict.fromkeys(sets, config.baseline)
    if config.baseline and len(sets) > 1:
        baseline = baselines(config.baseline, {name: pools(of_set, config.pool) for name, of_set in sets.items()})
    found: dict[str, Comparison] = {}
    failed: list[str] = []
    for name, of_set in sets.items():
        found[name], without = compared(of_set, replace(config, baseline=baseline[name]))
        failed += without
        show(found[name], config.difference, data=name if len(sets) > 1 else "")
        if output:
            paths_written(written(found[name], output / name if len(sets) > 1 else output))
    if len(sets) > 1:
        show_across(found, output)
    if failed:
        raise CasesFailedError(f"could not be scored and left out: {', '.join(failed)}")
    return list(found.values())


def compared(runs: Sequence[FoundRun], config: CompareConfig) -> tuple[Comparison, list[str]]:
    """Compare the runs of one data set; also return the names of those that could not be scored."""
    split = split_for(config.split, runs, baseline=config.baseline)
    scored, failed = scored_runs(runs, split, config)
    methods = pooled(scored, config.pool)
    warn_of_labels(methods)
    question = question_of(config, [saved for _, saved in scored], split if any(r.folder.is_run for r in runs) else "")
    clusters = {case: patient for _, saved in scored for case, patient in saved.clusters.items()}
    return compare_methods(methods, question, clusters), failed


def output_for(config: CompareConfig, paths: Sequence[Path]) -> Path | None:
    """Return the folder of the results: the one that is named, else the study; of several places none."""
    if config.output:
        return Path(config.output)
    return paths[0] if len(paths) == 1 and holds_runs(paths[0]) else None


def written(comparison: Comparison, output: Path, chosen: str = "") -> list[Path]:
    """Write a comparison as CSV, JSON and a page, on which stands what was chosen and why, and return the files."""
    return [*write_comparison(comparison, output), write_leaderboard_page(comparison, output, chosen)]


def question_of(config: CompareConfig, scored: Sequence[Saved], split: str) -> Question:
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
        seed=config.bootstrap.seed, split=split,
    )  # fmt: skip


def show(comparison: Comparison, difference: float | None = None, data: str = "") -> None:
    """Print the leaderboard, the effect of each choice, and the verdict."""
    of = "mean over labels" if comparison.label == "mean" else comparison.label
    cases = f"{len(comparison.cases)} {comparison.split.replace('_', '-')}".rstrip()
    title = f"{data}: " if data else ""
    title += f"{len(comparison.standings)} runs on the same {cases} cases, {of}"
    title += f"; difference to {comparison.against}" if len(comparison.standings) > 1 else ""
    table(title, *leaderboard_table(comparison))
    if comparison.left_out:
        shown = some_of(comparison.left_out)
        warn(f"{len(comparison.left_out)} cases are left out, since not every run has a score for them: {shown}")
    if comparison.effects:
        table("what each choice does, all others being the same", *effects_table(comparison))
    for line in lines_on_cases_needed(comparison, difference) if difference else []:
        say(line)
    say(comparison.verdict)


def show_across(found: Mapping[str, Comparison], output: Path | None) -> None:
    """Print, and write, what each method scores on each data set."""
    table("results by data set", *across_table(found))
    if output:
        paths_written([write_across(found, output)])
