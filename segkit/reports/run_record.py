"""Everything that a run folder tells a report; whatever is missing is empty, and said to be missing in the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.config.channels import Channel, channels_from
from segkit.config.labels import Labels, labels_from
from segkit.config.options import DatasetOptions
from segkit.config.typed import typed
from segkit.datasets.dataset import Dataset, open_recorded
from segkit.foundation.console import warn
from segkit.foundation.errors import SegkitError
from segkit.foundation.strangers import load_json, load_yaml
from segkit.reports.looking import Files
from segkit.reports.reliability import FILE as RELIABILITY
from segkit.reports.reliability import Bin, read_reliability
from segkit.reports.scores import Scores, read_scores
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import mapping, read_manifest
from segkit.runs.model_card import PARTS, scored_part
from segkit.training.curves import Curves, read_curves


@dataclass(frozen=True, eq=False)
class RunRecord:
    """What is known of a run.

    Attributes:
        name: of the run folder.
        labels: of the data set.
        config: as composed; {} where it cannot be read.
        overrides: what was typed.
        plan: as written, {} where there is none.
        environment: versions and hardware.
        status: how the run stands.
        split: case names by part.
        postprocessing: which rules were learnt, and why.
        curves: None where nothing was recorded.
        scores: of the evaluation; empty where there is none.
        scored: what the scored cases are, in words.
        dataset: its name.
        channels: of the data set.
        reliability: bins of probability by label; {} where probabilities were not evaluated.
        files: of every case that can be shown, by name.
        notes: what is missing, and which command makes it.
    """

    name: str
    labels: Labels
    config: Mapping[str, Any] = field(default_factory=dict)
    overrides: Sequence[str] = ()
    plan: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Sequence[str]] = field(default_factory=dict)
    postprocessing: Mapping[str, Any] = field(default_factory=dict)
    curves: Curves | None = None
    scores: Scores = field(default_factory=Scores)
    scored: str = ""
    dataset: str = ""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    reliability: Mapping[str, Sequence[Bin]] = field(default_factory=dict)
    files: Mapping[str, Files] = field(default_factory=dict)
    notes: Sequence[str] = ()


def read_run(path: Path, trust: Sequence[str]) -> RunRecord:
    """Read a run folder.

    Args:
        path: of the run.
        trust: Python packages whose layouts the run may name.

    Raises:
        DataError: when it is no run folder, or a file in it is damaged.
    """
    folder = RunFolder(path)
    config = folder.read_config()
    declared = mapping(config.get("data"))
    labels = labels_from(mapping(declared.get("labels")), declared.get("region_order"))
    split = {part: list(map(str, mapping(_json(folder.split)).get(part) or ())) for part in PARTS}
    scores = read_scores(folder.evaluation)
    notes: list[str] = []
    files = files_of(folder, declared, scores, trust, notes)
    if not scores.cases:
        notes.append("This run has not been evaluated: segkit evaluate run=RUN scores its held-out cases.")
    names = {part: set(cases) for part, cases in split.items()}
    return RunRecord(
        name=folder.path.name,
        labels=labels,
        config=config,
        overrides=_texts(load_yaml(folder.overrides)) if folder.overrides.is_file() else (),
        plan=mapping(load_yaml(folder.plan)) if folder.plan.is_file() else {},
        environment=mapping(_json(folder.environment)),
        status=mapping(_json(folder.status)),
        split=split,
        postprocessing=mapping(_json(folder.postprocessing)),
        curves=_curves(folder, labels),
        scores=scores,
        scored=scored_part(set(scores.cases), names) if scores.cases else "",
        dataset=str(declared.get("name", "")),
        channels=channels_from(mapping(declared.get("channels"))),
        reliability=read_reliability(folder.evaluation / RELIABILITY),
        files=files,
        notes=notes,
    )


def files_of(
    folder: RunFolder, declared: Mapping[str, Any], scores: Scores, trust: Sequence[str], notes: list[str]
) -> dict[str, Files]:
    """Return where each case that has a mask lies; what cannot be found is noted."""
    masks: dict[str, Path] = {}
    for part in PARTS:
        place = folder.predictions(part)
        manifest = read_manifest(place)
        found = {name: mask for name in manifest.cases if (mask := manifest.mask(place, name)) is not None}
        masks = {**found, **masks}
    wanted = [name for name in scores.cases if name in masks] or [name for name in masks if not scores.cases]
    if not wanted:
        notes.append("No masks of this run's cases are there to be shown: segkit evaluate run=RUN makes them.")
        return {}
    try:
        # Of the config the data alone: what trained may be named otherwise by now.
        dataset = open_recorded(typed(DatasetOptions, declared, "data"), trust)
    except SegkitError as error:
        warn(f"the images cannot be shown: {error}")
        notes.append("The images are not where they were when the run began, so that no case can be shown.")
        return {}
    return {name: _files(dataset, name, masks[name]) for name in wanted if name in dataset.cases}


def _files(dataset: Dataset, name: str, mask: Path) -> Files:
    case = dataset.cases[name]
    reference = case.reference if case.reference is not None and case.reference.exists() else None
    return Files(name, dict(case.images), reference, mask, dict(case.columns))


def _json(path: Path) -> Any:
    return load_json(path) if path.is_file() else {}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _curves(folder: RunFolder, labels: Labels) -> Curves | None:
    try:
        curves = read_curves(folder.metrics, labels.foreground)
    except (OSError, ValueError, KeyError):  # no such file, or one of another program; the page says that it has none
        return None
    return curves if len(curves.steps) else None
