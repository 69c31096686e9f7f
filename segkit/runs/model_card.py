"""The model card: what a packaged model segments, what it was trained on, how well it did, and what it is for.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", FAT*, for what a card says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.config.labels import labels_from
from segkit.config.plan import Plan
from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import mapping
from segkit.runs.model_file import ModelRecord
from segkit.version import __version__

NOT_STATED = "not stated"
PARTS = {
    "held_out": "held-out cases, which never trained",
    "validation": "validation cases",
    "training": "training cases",
}


@dataclass(frozen=True)
class Statement:
    """What whoever packs a model says of it; None: not stated.

    Attributes:
        authors: who answers for it.
        licence: under which it is shared.
        intended_use: what it is for, and what not.
    """

    authors: str | None = None
    licence: str | None = None
    intended_use: str | None = None


@dataclass(frozen=True)
class Origin:
    """What a run folder tells of a model beside its record; empty where it tells nothing.

    Attributes:
        dataset: its name.
        start: the file or folder of the weights from elsewhere that it began with; a name, since paths are nobody's
            business.
        parts: how many cases train, validate and are held out.
        scored: what the evaluated cases are, in words.
        summary: of the evaluation, as `summary.json` holds it.
    """

    dataset: str = ""
    start: str = ""
    parts: Mapping[str, int] | None = None
    scored: str = ""
    summary: Mapping[str, Any] | None = None


def origin_of(folder: RunFolder, scored: Path | None = None) -> Origin:
    """Return what a run folder tells; what is missing there is left out.

    Args:
        folder: of the run.
        scored: the folder beside whose `evaluation/` its scores lie, such as that of an ensemble it is a member of.

    Raises:
        DataError: when one of its files is damaged.
    """
    config = folder.read_config() if folder.is_run else {}
    split = mapping(load_json(folder.split) if folder.split.is_file() else {})
    names = {part: set(map(str, split.get(part) or ())) for part in PARTS}
    evaluation, weights = RunFolder(scored or folder.path).evaluation, folder.starting_weights
    summary = evaluation / "summary.json"
    began = mapping(load_json(weights)).get("from", "") if weights.is_file() else ""
    return Origin(
        dataset=str(mapping(config.get("data")).get("name", "")),
        start=Path(str(began)).name,
        parts={part: len(cases) for part, cases in names.items()} if split else None,
        scored=scored_part(scored_cases(evaluation / "cases.csv"), names),
        summary=mapping(load_json(summary)) if summary.is_file() else None,
    )


def scored_cases(table: Path) -> set[str]:
    """Return the cases in an evaluation's `cases.csv`; none where there is no such file.

    Raises:
        DataError: when the file is no such table.
    """
    if not table.is_file():
        return set()
    try:
        return {row["case"] for row in csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))}
    except (csv.Error, KeyError, ValueError) as error:
        raise DataError(f"{table} is not a table of scores by case: {error}") from error


def scored_part(scored: set[str], names: Mapping[str, set[str]]) -> str:
    """Say in words which part of a split was scored: one that never trained counts for more than one that did."""
    part = next((part for part, cases in names.items() if scored and scored <= cases), None)
    return PARTS[part] if part else "cases of which the split knows nothing, or of several parts"


def model_card(
    records: Sequence[ModelRecord], origins: Sequence[Origin], statement: Statement, whole: Origin | None = None
) -> str:
    """Return the card as markdown.

    Args:
        records: of the models; several are an ensemble, alike in labels and plan.
        origins: of each.
        statement: what is said of it by hand.
        whole: where the scores of all of them together come from; None where nothing tells of these.
    """
    record = records[0]
    ensemble = f" An ensemble of {len(records)} networks, whose logits are averaged." if len(records) > 1 else ""
    sections = [
        f"# {_plain(record.name)}\n\nA segmentation model for segkit {__version__} or newer.{ensemble}",
        f"## Intended use\n\n{_stated(statement.intended_use)}\n\nResearch software, not a medical device.",
        f"## What it segments\n\n{_labels_table(record)}",
        f"## What it takes\n\n{_channels_table(record.plan)}\n\n{_grid(record.plan)}",
    ]
    sections += [f"## Dice\n\n{_dice(whole)}"] if whole else []
    for number, (each, origin) in enumerate(zip(records, origins, strict=True), start=1):
        title = f" of network {number}" if len(records) > 1 else ""
        sections.append(f"## Training{title}\n\n{_training(each, origin)}")
        if not whole or origin.summary:
            sections.append(f"## Dice{title}\n\n{_dice(origin)}")
    sections += [
        f"## Licence\n\n{_stated(statement.licence)}",
        f"## Authors\n\n{_stated(statement.authors)}",
        f"## How to use it\n\n{_USAGE}",
    ]
    return "\n\n".join(sections) + "\n"


_USAGE = """On the command line:

    segkit predict run=FILE.segkit input=SCANS output=MASKS

In Python:

    import segkit
    segkit.load("FILE.segkit").segment("scan.nii.gz").save("mask.nii.gz")

Masks lie on the scans' own grids. The file holds safetensors and text, and opening it runs nothing that it brings."""


def _labels_table(record: ModelRecord) -> str:
    labels = labels_from(record.labels, record.region_order)
    rows = list(zip(labels.members, labels.mask_values, strict=True))
    note = "\n\nThe labels are regions that may overlap; a later one is written over an earlier one."
    return _table(("label", "value in masks"), rows) + (note if labels.is_regions else "")


def _channels_table(plan: Plan) -> str:
    rows = []
    for name, how in plan.normalisation.items():
        limits = f", clipped to {how.low:g} to {how.high:g}" if how.low is not None and how.high is not None else ""
        onto = f", on the grid of {plan.onto[name]}" if name in plan.onto else ""
        rows.append((name, f"{how.scheme}{limits}{onto}"))
    return _table(("channel", "how its intensities are scaled"), rows)


def _grid(plan: Plan) -> str:
    spacing = " x ".join("own" if step is None else f"{step:g}" for step in plan.spacing)
    patch = " x ".join(map(str, plan.patch))
    orientation = plan.orientation or "each scan's own"
    return (
        f"Any spacing; scans are resampled to {spacing} mm (orientation {orientation}) and covered by windows of "
        f"{patch} voxels, which a {plan.dims}D network sees."
    )


def _training(record: ModelRecord, origin: Origin) -> str:
    known = record.training
    rows = [("data set", origin.dataset or NOT_STATED), ("cases that trained", known.get("cases", NOT_STATED))]
    rows += [("started from the weights in", origin.start)] if origin.start else []
    if origin.parts:
        rows += [("cases that validated", origin.parts["validation"]), ("cases held out", origin.parts["held_out"])]
    rows += [
        ("steps", known.get("steps", NOT_STATED)),
        ("seconds", known.get("seconds", NOT_STATED)),
        ("network", record.network_name),
        ("trained by", f"segkit {record.segkit}"),
        ("sha256 of the weights", record.weights),
    ]
    return _table(("", ""), rows)


def _dice(origin: Origin) -> str:
    if origin.summary is None:
        return "Not evaluated when it was packed."
    per_label = {name: mapping(scores) for name, scores in mapping(origin.summary.get("labels")).items()}
    per_label["mean"] = mapping(origin.summary.get("mean"))
    rows = []
    for name, scores in per_label.items():
        dice = mapping(scores.get("dice"))
        low, high = (*(dice.get("ci95") or ()), None, None)[:2]
        rows.append((name, _figure(dice.get("mean")), f"{_figure(low)} to {_figure(high)}", dice.get("n", "")))
    scored = f"On {origin.summary.get('cases', 'some')} {origin.scored}; the interval is the bootstrap's, of the mean."
    return f"{_plain(scored)}\n\n{_table(('label', 'mean Dice', '95% interval', 'cases'), rows)}"


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "-"


def _stated(text: str | None) -> str:
    return NOT_STATED if text is None else text


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in line)} |" for line in lines)


def _plain(value: object) -> str:
    """Return text that stays in its cell and is no markup: names come from data sets."""
    text = " ".join(str(value).split())
    return "".join(f"\\{character}" if character in "|<>[]`*#" else character for character in text)
