"""`segkit evaluate predictions=DIR references=DIR output=DIR`: Dice and more, with intervals."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from segkit.commands.scored_masks import Masks, counted, masks_for
from segkit.config.commands import EvaluateConfig
from segkit.config.labels import UNSAFE, Declared
from segkit.datasets.columns import CASE, read_rows
from segkit.evaluation.cases import Probabilities, foreground_of
from segkit.evaluation.evaluate import (
    Evaluation,
    evaluate_pairs,
    evaluation_table,
    group_tables,
    write_evaluation,
)
from segkit.evaluation.grouping import Grouping, grouping_from
from segkit.evaluation.nnunet_summary import write_nnunet_summary
from segkit.evaluation.reliability_table import write_reliability
from segkit.evaluation.settings import settings_of
from segkit.evaluation.tables import metrics_beside
from segkit.foundation.console import paths_written, say, table
from segkit.foundation.errors import CasesFailedError, DataError
from segkit.foundation.failures import say_failures
from segkit.foundation.files import check_writable
from segkit.foundation.suggestions import some_of
from segkit.studies.launching import cases_spread
from segkit.volumes.reading import find_volumes, stem

AUTO = "auto"


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Score masks against references and print a table.

    Returns:
        scores and statistics.

    Raises:
        UsageError: when neither folders nor a run are given, or both; when a column of groups does not exist.
        CasesFailedError: when cases could not be scored; the others were.
    """
    masks = masks_for(config)
    check_writable(masks.output)
    with cases_spread(config.launcher):
        evaluation = evaluate_pairs(
            masks.pairs,
            config.labels or masks.labels,
            settings_of(config.metrics),
            probabilities=probabilities_in(config.probabilities, masks.pairs, config.labels or masks.labels),
            workers=config.workers,
            bootstrap=config.bootstrap.resamples,
            seed=config.bootstrap.seed,
            tolerance=config.grid_tolerance,
            failed=masks.failed,
            grouping=grouping_of(config, masks),
            unlabelled=masks.unlabelled,
        )
    show(evaluation)
    written = write_evaluation(evaluation, masks.output, masks.source)
    paths_written([*written, *write_extras(evaluation, masks, config)])
    if evaluation.failed:
        told = masks.failed if config.run else {}  # when they were segmented
        say_failures({case: why for case, why in evaluation.failed.items() if case not in told})
        raise CasesFailedError(f"{len(evaluation.failed)} cases could not be scored: {some_of(evaluation.failed)}")
    return evaluation


def show(evaluation: Evaluation) -> None:
    """Print a table of the labels and one of each column of groups, and say where the other metrics stand."""
    by_label = evaluation_table(evaluation)
    table(title_of(evaluation), *by_label)
    for title, by_group in group_tables(evaluation):
        table(title, *by_group)
    if others := metrics_beside(evaluation, by_label):
        say(f"summary.json has {', '.join(others)} too, and the intervals of all")


def write_extras(evaluation: Evaluation, masks: Masks, config: EvaluateConfig) -> list[Path]:
    """Write what is asked for beside `cases.csv` and `summary.json`, and return the files."""
    written = []
    if evaluation.reliability:
        written.append(write_reliability(evaluation.reliability, masks.output / "reliability.csv"))
    if config.format == "nnunet":
        labels = config.labels or masks.labels or {label: int(label) for label in evaluation.labels}
        written.append(write_nnunet_summary(evaluation, labels, masks.pairs, masks.output / "nnunet" / "summary.json"))
    return written


def probabilities_in(
    folder: str | None, cases: Iterable[str], labels: Declared | None
) -> dict[str, Probabilities] | None:
    """Return the probabilities of each case in a folder, one file or a file for each label; None without a folder.

    Raises:
        DataError: when it holds no volume.
    """
    if folder is None:
        return None
    found = {stem(path): path for path in find_volumes(Path(folder))}
    if not found:
        raise DataError(f"{folder} holds no volume that segkit reads")
    names = [UNSAFE.sub("_", name) for name in foreground_of(labels)] if labels else []
    by_label = {case: tuple(found.get(f"{case}_{name}") for name in names) for case in cases}
    whole = {case: tuple(path for path in paths if path) for case, paths in by_label.items() if all(paths) and paths}
    return {**found, **{case: paths for case, paths in whole.items() if case not in found}}


def grouping_of(config: EvaluateConfig, masks: Masks) -> Grouping:
    """Return the groups and patients that the data set's table, and a table given beside it, say.

    Raises:
        UsageError: when a column does not exist.
        DataError: when the table cannot be read.
    """
    given = read_rows(Path(config.columns), needs=[CASE]) if config.columns else []
    columns = {name: dict(masks.columns.get(name, {})) for name in masks.pairs}
    for row in given:
        if row[CASE] in columns:
            columns[row[CASE]] |= {name: cell for name, cell in row.items() if name != CASE}
    cluster_by = masks.group_by if config.cluster_by == AUTO else config.cluster_by
    return grouping_from(columns, list(masks.pairs), config.groups, cluster_by)


def title_of(evaluation: Evaluation) -> str:
    """Return what the table is of: cases, and patients where these are fewer."""
    cases, column = counted(list(evaluation.scores), "case"), evaluation.grouping.cluster_by
    return f"{cases} in {evaluation.clusters} clusters by {column}" if column else cases
