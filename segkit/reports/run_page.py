"""The page of a run: what was trained on what, how good it is, where it fails, and a viewer to see for oneself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import UsageError
from segkit.reports.case_sheets import CaseSheet, Looks, case_sheets
from segkit.reports.charts import agreement_chart, loss_chart, score_chart, validation_chart, volume_chart
from segkit.reports.drawing import Drawing
from segkit.reports.html import LICENCES, resource, write_page
from segkit.reports.page_cases import viewer_book
from segkit.reports.page_values import page_values
from segkit.reports.placing import Placing
from segkit.reports.reliability import reliability_charts
from segkit.reports.run_record import RunRecord
from segkit.reports.scores import Scores, worst_first

MOST_LABELS = 6  # with a chart of agreement each
ROOM_FOR_THE_REST = 2_500_000  # bytes of a page beside volumes: viewer, charts, pictures, tables


@dataclass(frozen=True)
class Options:
    """How a report is made.

    Attributes:
        worst: cases shown as pictures.
        channel: shown; None: the first.
        bytes_a_file: that a page, or a part beside it, may have.
        is_anonymous: whether cases are numbered instead of named.
        is_served: whether volumes come from the server that makes the page.
        workers: processes that read cases; None: as many as cores and memory allow.
    """

    worst: int
    channel: str | None
    bytes_a_file: int
    is_anonymous: bool = False
    is_served: bool = False
    workers: int | None = None


@dataclass(frozen=True, eq=False)
class Made:
    """A report, and what it was made of.

    Attributes:
        page: its file.
        size: of the page in bytes.
        parts: files beside it.
        drawings: its charts.
        shown: cases in the viewer, in its order.
        unread: cases that could not be read, with the reason.
    """

    page: Path
    size: int
    parts: Sequence[Path] = ()
    drawings: Sequence[Drawing] = ()
    shown: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def write_run_page(record: RunRecord, path: Path, options: Options) -> Made:
    """Write the report of a run, with parts beside it where the volumes are too large.

    Args:
        record: of the run.
        path: of the page.
        options: how it is made.

    Raises:
        UsageError: when the channel asked for is none of the data set's, or is shown on another's grid.
        OSError: when a file cannot be written.
    """
    names = shown_names(record, is_anonymous=options.is_anonymous)
    order = viewer_order(record)
    placing = Placing(options.bytes_a_file - ROOM_FOR_THE_REST, path.with_name(f"{path.stem}_parts"))
    sheets: dict[str, CaseSheet] = {}
    unread: dict[str, str] = {}
    looks = looks_of(record, options) if order else None
    wanted = [record.files[name] for name in order]
    for outcome in case_sheets(wanted, looks, options.workers) if looks else ():
        if outcome.value is None:
            unread[outcome.item.name] = str(outcome.error)
            continue
        if not options.is_served:
            placing.put(len(sheets), outcome.value.carried)
        sheets[outcome.item.name] = replace(outcome.value, carried=replace(outcome.value.carried, parts={}))
    drawings = charts_of(record, sheets, names)
    values = page_values(record, sheets, unread, drawings, names, options.worst)
    book = viewer_book(record, sheets, names, placing.folder.name, is_served=options.is_served)
    licences = resource(LICENCES) if book else ""
    size = write_page(path, "run.html", book=book, inline=placing.inline, licences=licences, **values)
    placing.remove_old()
    every = [drawing for part in drawings.values() for drawing in part]
    return Made(path, size, placing.beside, every, list(sheets), unread)


def looks_of(record: RunRecord, options: Options) -> Looks:
    """Return how the cases of a run are shown.

    Raises:
        UsageError: when the channel asked for is none of the data set's, or is shown on another's grid.
    """
    channel = options.channel or next(iter(record.channels))
    if channel not in record.channels:
        raise UsageError(f"channel: {channel} is no channel of the run; it has {', '.join(record.channels)}")
    onto = record.channels[channel].onto
    if onto:
        raise UsageError(
            f"channel: {channel} is resampled onto {onto}, on whose grid the masks lie: pass channel={onto}"
        )
    return Looks(channel, record.channels, record.labels, None if options.is_served else options.bytes_a_file)


def shown_names(record: RunRecord, *, is_anonymous: bool) -> dict[str, str]:
    """Return what each case is called in the page."""
    known = dict.fromkeys([*record.scores.cases, *record.files, *(case for case, _ in record.scores.failed)])
    return {name: f"case {number}" if is_anonymous else name for number, name in enumerate(known, start=1)}


def viewer_order(record: RunRecord) -> list[str]:
    """Return the cases that can be shown, the worst first."""
    ranked = [record.scores.cases[place] for place in worst_first(record.scores)]
    return [name for name in ranked if name in record.files] or sorted(record.files)


def charts_of(record: RunRecord, sheets: Mapping[str, CaseSheet], names: Mapping[str, str]) -> dict[str, list[Drawing]]:
    """Return the charts of a run by section; a section without is absent or empty."""
    scores = replace(record.scores, cases=tuple(names[case] for case in record.scores.cases))
    charts: dict[str, list[Drawing]] = {"training": [], "scores": [], "volume": [], "agreement": []}
    if record.curves is not None:
        charts["training"].append(loss_chart(record.curves))
        if len(record.curves.validations):
            charts["training"].append(validation_chart(record.curves, record.labels.foreground))
    if scores.cases:
        charts["scores"] = [score_chart(scores, metric) for metric in scores.metrics]
        sizes = {part: volumes_by_label(record.scores, sheets, part) for part in ("reference", "mask")}
        drawing = volume_chart(scores, sizes["reference"])
        charts["volume"] = [drawing] if drawing else []
        charts["agreement"] = agreements(scores, sizes["reference"], sizes["mask"])
    charts["calibration"] = reliability_charts(record.reliability)
    return charts


def agreements(scores: Scores, reference: Mapping[str, Any], mask: Mapping[str, Any]) -> list[Drawing]:
    """Return a chart of agreement for each of the first labels whose volumes are known."""
    labels = [label for label in scores.labels if label in reference and label in mask]
    drawn = [
        agreement_chart(label, scores.labels.index(label) + 1, reference[label], mask[label], scores.cases)
        for label in labels[:MOST_LABELS]
    ]
    return [drawing for drawing in drawn if drawing is not None]


def volumes_by_label(scores: Scores, sheets: Mapping[str, CaseSheet], part: str) -> dict[str, NDArray[np.float64]]:
    """Return the volumes of each label in ml, one per scored case, NaN where the case could not be read."""
    found: dict[str, NDArray[np.float64]] = {}
    for place, case in enumerate(scores.cases):
        if case in sheets:
            volumes = sheets[case].reference_ml if part == "reference" else sheets[case].mask_ml
            for label, volume in volumes.items():
                found.setdefault(label, np.full(len(scores.cases), np.nan))[place] = volume
    return found
