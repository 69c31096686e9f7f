"""`segkit evaluate predictions=DIR references=DIR output=DIR`: Dice and more, with intervals."""

from __future__ import annotations

from pathlib import Path

from segkit.commands.scored_masks import Masks, counted, masks_for
from segkit.config.commands import EvaluateConfig
from segkit.datasets.columns import CASE, read_rows
from segkit.evaluation.evaluate import (
    Evaluation,
    evaluate_pairs,
    evaluation_table,
    group_tables,
    write_evaluation,
)
from segkit.evaluation.grouping import Grouping, grouping_from
from segkit.foundation.console import paths_written, table
from segkit.foundation.errors import CasesFailedError
from segkit.foundation.files import check_writable

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
    evaluation = evaluate_pairs(
        masks.pairs,
        config.labels or masks.labels,
        workers=config.workers,
        bootstrap=config.bootstrap.resamples,
        seed=config.bootstrap.seed,
        tolerance=config.tolerance,
        failed=masks.failed,
        grouping=grouping_of(config, masks),
    )
    table(title_of(evaluation), *evaluation_table(evaluation))
    for title, rows in group_tables(evaluation):
        table(title, *rows)
    paths_written(write_evaluation(evaluation, masks.output, masks.source))
    if evaluation.failed:
        names = ", ".join(list(evaluation.failed)[:5])
        raise CasesFailedError(f"{len(evaluation.failed)} cases could not be scored: {names}")
    return evaluation


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
    return f"{cases} in {evaluation.clusters} groups of one {column}" if column else cases
