"""Which masks `segkit evaluate` scores: those of a folder, a run's split, a study's folds, or another data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segkit.config.commands import EvaluateConfig
from segkit.config.labels import Declared
from segkit.datasets.case import Case
from segkit.datasets.dataset import Dataset, open_dataset, open_recorded
from segkit.datasets.splits import split_from
from segkit.evaluation.grouping import Columns
from segkit.evaluation.pairs import match_folders
from segkit.foundation.console import say, warn
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.strangers import load_json
from segkit.foundation.suggestions import some_of
from segkit.runs.ensemble import is_ensemble, runs_of
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import read_manifest
from segkit.runs.model_file import read_record
from segkit.runs.package import check_is_run
from segkit.studies.runs import holds_runs, runs_in
from segkit.volumes.reading import find_volumes, stem
from segkit.volumes.selection import Location

VALIDATION = "validation"


@dataclass(frozen=True)
class Masks:
    """Masks beside their references.

    Attributes:
        pairs: case name to mask and reference.
        labels: as declared; None: every value found.
        output: folder of the results.
        failed: cases without a mask, with the reason.
        columns: what the data set's table says of each case.
        group_by: the column of patients that its split kept together; None where it has none.
        source: of what model and cases the masks are, for the record.
        unlabelled: by case the labels that nobody drew in its reference.
    """

    pairs: Mapping[str, tuple[Path, Location]]
    labels: Declared | None
    output: Path
    failed: Mapping[str, str]
    columns: Columns = field(default_factory=dict)
    group_by: str | None = None
    source: Mapping[str, Any] = field(default_factory=dict)
    unlabelled: Mapping[str, frozenset[str]] = field(default_factory=dict)


def masks_for(config: EvaluateConfig) -> Masks:
    """Return the masks that a config names, predicted first where they are a model's and not there yet.

    Raises:
        UsageError: when neither folders nor a run are given, or both.
        DataError: when there is nothing to score.
    """
    if config.run is None:
        return masks_beside_data(config) if config.data else masks_in_folders(config)
    if config.predictions or config.references:
        raise UsageError("pass either run=RUN or predictions=DIR references=DIR, not both")
    if config.data is not None:
        from segkit.commands.other_site import masks_of_site

        return masks_of_site(config)
    study = Path(config.run)
    is_pooled = holds_runs(study) and (config.split == VALIDATION or not is_ensemble(study))
    return masks_of_study(config) if is_pooled else masks_of_run(config)


def masks_in_folders(config: EvaluateConfig) -> Masks:
    """Match two folders by file name.

    Raises:
        UsageError: when a folder or the output is not given.
        DataError: when a folder holds nothing to match.
    """
    if not (config.predictions and config.references and config.output):
        raise UsageError("pass predictions=DIR references=DIR output=DIR, or run=RUN")
    masks, manifest = Path(config.predictions), read_manifest(Path(config.predictions))
    matched = match_folders(masks, Path(config.references), leave_out=manifest.beside_masks(masks))
    if matched.skipped:
        warn(f"{len(matched.skipped)} masks have no reference and are left out, the first is {matched.skipped[0].name}")
    unpredicted = {stem(path): manifest.failed.get(stem(path)) for path in matched.missing}
    failed = {case: f"it was not segmented: {reason}" for case, reason in unpredicted.items() if reason}
    if len(failed) < len(unpredicted):
        warn(f"{len(unpredicted) - len(failed)} references have no mask and are left out")
    return Masks(matched.pairs, manifest.labels, Path(config.output), {**matched.failed, **failed})


def masks_beside_data(config: EvaluateConfig) -> Masks:
    """Match a folder of masks with the cases of a data set.

    Raises:
        UsageError: when the output is not given.
        DataError: when no mask has the name of a case with a reference.
    """
    if not (config.predictions and config.data and config.output):
        raise UsageError("pass predictions=DIR data=NAME output=DIR")
    dataset, folder = open_dataset(config.data), Path(config.predictions)
    manifest = read_manifest(folder)
    others = manifest.beside_masks(folder)
    masks = {stem(path): path for path in find_volumes(folder) if path not in others}
    pairs = referenced(masks, dataset)
    if not pairs:
        raise DataError(_unpaired(folder, masks, dataset))
    failed = {case: f"it was not segmented: {why}" for case, why in manifest.failed.items() if case in dataset.cases}
    missing = [case for case in with_reference(dataset.cases.values()) if case not in masks and case not in failed]
    if missing:
        warn(f"{counted(missing, 'case')} of {config.data.name} with a reference have no mask: {some_of(missing)}")
    return of_dataset(dataset, pairs, failed, Path(config.output), {"data": config.data.name})


def _unpaired(folder: Path, masks: Mapping[str, Path], dataset: Dataset) -> str:
    """Return why none of a folder's masks can be scored against a data set."""
    name, cases = dataset.options.name, with_reference(dataset.cases.values())
    if not masks:
        return f"{folder} holds no volume that segkit reads"
    if not cases:
        return f"no case of {name} has a reference: there is nothing to score against"
    return (
        f"no file of {folder} has the name of a case of {name} with a reference (e.g. {masks[min(masks)].name} beside "
        f"the case {min(cases)}): a mask is called as its case, up to the suffix; rename the masks"
    )


def masks_of_run(config: EvaluateConfig) -> Masks:
    """Predict a split of a run's data set, where that is not done yet, and pair it with its references.

    Raises:
        DataError: when the run cannot be used.
    """
    from segkit.commands.predict import segment
    from segkit.config.compose import configure
    from segkit.config.recorded import load_config

    folder = RunFolder(Path(config.run or ""))
    check_is_run(folder.path, instead="segment with segkit predict, then pass predictions=DIR references=DIR")
    members = [RunFolder(run) for run in runs_of(folder.path)]
    dataset = open_recorded(load_config("train", members[0].config).data, config.trust)
    masks, failed = masks_there(folder, config.split), {}
    if masks is None:
        words = [f"run={config.run}", f"split={config.split}", f"device={config.device}"]
        cohort = segment(replace(configure("predict", words), trust=config.trust, launcher=config.launcher))
        masks, failed = cohort.masks, cohort.failed
    source = {"split": config.split, "weights": [read_record(run.model).weights for run in members]}
    return of_dataset(dataset, referenced(masks, dataset), failed, Path(config.output or folder.evaluation), source)


def masks_of_study(config: EvaluateConfig) -> Masks:
    """Pool a split over the runs of a study, each of whose cases one run scores: the folds of a cross-validation.

    Raises:
        DataError: when no run of the study has finished.
        UsageError: when two of its runs score the same case.
    """
    study = Path(config.run or "")
    runs = [run for run in runs_in(study) if run.is_finished]
    if not runs:
        raise DataError(f"{study} holds no finished run")
    parts = {run.name: masks_of_run(replace(config, run=str(run.folder.path))) for run in runs}
    owners: dict[str, str] = {}
    for name, part in parts.items():
        for case in (*part.pairs, *part.failed):
            if case in owners:
                raise UsageError(
                    f"{owners[case]} and {name} both score {case}, and only folds can be pooled: "
                    f"pass split=validation, run=RUN, or segkit compare runs={study}"
                )
            owners[case] = name
    first = next(iter(parts.values()))
    weights = [weight for part in parts.values() for weight in part.source["weights"]]
    return Masks(
        {case: pair for part in parts.values() for case, pair in part.pairs.items()},
        first.labels,
        Path(config.output or study / "evaluation"),
        {case: why for part in parts.values() for case, why in part.failed.items()},
        {case: cells for part in parts.values() for case, cells in part.columns.items()},
        first.group_by,
        {"split": config.split, "weights": weights, "runs": list(parts)},
        {case: absent for part in parts.values() for case, absent in part.unlabelled.items()},
    )


def masks_there(folder: RunFolder, split: str) -> dict[str, Path] | None:
    """Return the masks of a split where each is there and made by the run's, or study's, own model, however set."""
    masks, runs = folder.predictions(split), [RunFolder(run) for run in runs_of(folder.path)]
    file = runs[0].split
    manifest, wanted = read_manifest(masks), split_from(load_json(file), where=str(file)).names(split)
    found = {name: manifest.mask(masks, name) for name in wanted}
    complete = {name: path for name, path in found.items() if path is not None}
    is_own = manifest.weights == [read_record(run.model).weights for run in runs]
    return complete if wanted and is_own and len(complete) == len(wanted) else None


def of_dataset(
    dataset: Dataset,
    pairs: Mapping[str, tuple[Path, Location]],
    failed: Mapping[str, str],
    output: Path,
    source: Mapping[str, Any],
) -> Masks:
    """Return masks of a data set's cases, with what its table says of these."""
    columns = {name: case.columns for name, case in dataset.cases.items()}
    options = dataset.options
    group_by = options.split.group_by
    return Masks(pairs, options.labels, output, failed, columns, group_by, source, dataset.unlabelled)


def referenced(masks: Mapping[str, Path], dataset: Dataset) -> dict[str, tuple[Path, Location]]:
    """Return the masks whose cases have a reference, with it; how many have none is said."""
    known = with_reference(dataset.cases.values())
    without = [name for name in masks if name in dataset.cases and name not in known]
    if without:
        say(f"{counted(without, 'case')} without a reference, segmented and not scored: {some_of(without)}")
    return {name: (mask, known[name]) for name, mask in masks.items() if name in known}


def with_reference(cases: Iterable[Case]) -> dict[str, Location]:
    """Return the reference of each case that has one, by name."""
    return {case.name: case.reference for case in cases if case.reference is not None and case.reference.exists()}


def counted(cases: Sequence[str], what: str) -> str:
    """Return how many there are, in words."""
    return f"{len(cases)} {what}{'s' * (len(cases) != 1)}"
