"""Cross-validation as one thing: what the folds of a method say together of every case."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.recorded import load_config
from segkit.datasets.dataset import Dataset, open_recorded
from segkit.datasets.splits import split_from
from segkit.evaluation.evaluate import Evaluation, evaluate_pairs, write_evaluation
from segkit.evaluation.grouping import grouping_from
from segkit.foundation.console import paths_written, progress, say, table
from segkit.foundation.files import write_json
from segkit.foundation.hashing import value_hash
from segkit.foundation.strangers import load_json
from segkit.postprocessing.learning import learn_rules, said_of
from segkit.runs.ensemble import Ensemble, is_ensemble, read_ensemble, write_ensemble
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import read_manifest
from segkit.studies.naming import trial_name
from segkit.studies.saved import summary_of
from segkit.studies.study import Entry, Study
from segkit.studies.trial import FOLDS
from segkit.volumes.grid import as_3d
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.selection import Location

FOLD = "training.fold="
DICE = "dice"

Pairs = dict[str, tuple[Path, Location]]


@dataclass(frozen=True)
class Method:
    """The trials that differ in nothing but the fold that validates.

    Attributes:
        name: the other swept overrides, safe as a folder's name.
        entries: a trial for each fold.
    """

    name: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class PooledDice:
    """What the folds of a method score together: mean Dice over cases of the mean over labels, and its 95% interval."""

    cases: int
    mean: float
    ci95: tuple[float, float]

    @property
    def shown(self) -> tuple[str, str, str]:
        """The cells of a table."""
        low, high = self.ci95
        return str(self.cases), f"{self.mean:.4f}", f"{low:.4f} to {high:.4f}"


def methods_of(study: Study) -> list[Method]:
    """Return the methods of a study of which several folds were trained, and every one of these finished."""
    shared: dict[tuple[str, ...], list[Entry]] = {}
    for entry in study.entries.values():
        if any(word.startswith(FOLD) for word in entry.swept):
            shared.setdefault(tuple(word for word in entry.swept if not word.startswith(FOLD)), []).append(entry)
    methods: list[Method] = []
    for words, entries in shared.items():
        if len(entries) > 1 and all(entry.is_finished for entry in entries):
            name = trial_name(words or (entries[0].data,), [method.name for method in methods])
            methods.append(Method(name, tuple(entries)))
    return methods


def pool_folds(study: Study) -> None:
    """Score every case by the fold that did not train on it, learn postprocessing from all of them, name the best.

    Writes `folds/METHOD/` with `evaluation/`, `postprocessing.json` and `ensemble.json` for each method, and the
    study's own `ensemble.json` for the one with the highest mean Dice; of several data sets, whose Dice do not compare,
    none. A method without masks is left out, and one whose masks are those of an earlier call is not scored again.
    """
    pooled = [(method, found) for method in methods_of(study) if (found := pool(study, method)) is not None]
    if not pooled:
        return
    pooled.sort(key=lambda each: -each[1].mean)
    rows = [(method.name, *found.shown) for method, found in pooled]
    table("held-out cases of all folds, without postprocessing", ("method", "cases", "Dice", "95% interval"), rows)
    best: dict[str, Method] = {}
    for method, _ in pooled:
        best.setdefault(method.entries[0].data, method)
    for data, method in best.items():
        place = study.folder if len(best) == 1 else study.folder / FOLDS / method.name
        of = f" on {data}" if len(best) > 1 else ""
        say(f"segkit predict run={place} uses the {len(method.entries)} folds of {method.name}{of}")
    written = [study.folder / FOLDS]
    if len(best) == 1:
        (method,) = best.values()
        written.append(write_ensemble(study.folder, study.folder, read_ensemble(study.folder / FOLDS / method.name)))
    paths_written(written)


def pool(study: Study, method: Method) -> PooledDice | None:
    """Score a method over its folds and write what comes of it; None where no fold has left masks."""
    from segkit.training.rules import evidence_of  # PyTorch takes 2 s to load

    folder, source = study.folder / FOLDS / method.name, {"masks": keys_of_masks(method)}
    before = summary_of(folder / "evaluation")
    if before.get("source") == source and is_ensemble(folder):
        dice = before["mean"][DICE]
        mean, low, high = (math.nan if value is None else float(value) for value in (dice["mean"], *dice["ci95"]))
        return PooledDice(before["cases"], mean, (low, high))
    first = load_config("train", method.entries[0].trial.config)
    dataset = open_recorded(first.data, first.trust)
    pairs: Pairs = {}
    for entry in method.entries:
        pairs |= masks_of(RunFolder(entry.trial.run), dataset)
    if not pairs:
        return None
    evaluation = scored(pairs, dataset, folder, source)
    dice = evaluation.mean[DICE]
    learnt = learn_rules(values_of(pairs, dataset.labels), dataset.labels)
    say(f"{method.name}: {said_of(learnt)}")
    write_json(folder / "postprocessing.json", evidence_of(learnt))
    members = tuple(entry.trial.run for entry in method.entries)
    write_ensemble(folder, study.folder, Ensemble(members, learnt.rules, dice.mean))
    return PooledDice(len(evaluation.scores), dice.mean, dice.ci95)


def keys_of_masks(method: Method) -> str:
    """Return a hash of what all masks of a method depend on: scans, models and settings."""
    manifests = [read_manifest(RunFolder(entry.trial.run).predictions("validation")) for entry in method.entries]
    return value_hash([{name: entry.get("key") for name, entry in each.cases.items()} for each in manifests])


def scored(pairs: Pairs, dataset: Dataset, folder: Path, source: Mapping[str, Any] | None = None) -> Evaluation:
    """Score masks of a data set's cases, by its groups and patients, and write `evaluation/` in a folder."""
    columns = {name: case.columns for name, case in dataset.cases.items()}
    grouping = grouping_from(columns, list(pairs), cluster_by=dataset.options.split.group_by)
    evaluation = evaluate_pairs(pairs, dataset.options.labels, grouping=grouping, unlabelled=dataset.unlabelled)
    write_evaluation(evaluation, folder / "evaluation", source)
    return evaluation


def masks_of(folder: RunFolder, dataset: Dataset) -> Pairs:
    """Return the validation cases of a run that have a mask and a reference, with both."""
    masks = folder.predictions("validation")
    manifest = read_manifest(masks)
    names = split_from(load_json(folder.split), where=str(folder.split)).validation
    found = {name: manifest.mask(masks, name) for name in names}
    return paired({name: mask for name, mask in found.items() if mask is not None}, dataset)


def paired(masks: Mapping[str, Path], dataset: Dataset) -> Pairs:
    """Return the masks whose cases have a reference, with it."""
    references = {name: case.reference for name, case in dataset.cases.items() if case.reference is not None}
    return {name: (mask, references[name]) for name, mask in masks.items() if name in references}


def values_of(pairs: Pairs, labels: Labels) -> Iterator[tuple[str, NDArray[np.integer[Any]], NDArray[Any], float]]:
    """Yield each case's name, mask, reference and volume of a voxel in mm3, one case at a time."""
    for name, (mask, reference) in progress(pairs.items(), len(pairs), "postprocessing"):
        predicted, expert = read(mask), read(reference)
        grid = as_3d(predicted.grid)
        values = label_values(predicted, str(mask), in_colour=labels.in_colour)
        wanted = label_values(expert, str(reference), in_colour=labels.in_colour)
        yield name, values.reshape(grid.shape), wanted.reshape(grid.shape), grid.voxel_mm3
