"""`segkit evaluate predictions=DIR references=DIR output=DIR`: Dice and more, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from segkit.config.commands import EvaluateConfig
from segkit.config.labels import Declared
from segkit.datasets.dataset import open_recorded
from segkit.datasets.splits import split_from
from segkit.evaluation.evaluate import Evaluation, evaluate_pairs, evaluation_table, write_evaluation
from segkit.evaluation.pairs import match_folders
from segkit.foundation.console import paths_written, table, warn
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.runs.manifest import read_manifest
from segkit.runs.model_file import read_record
from segkit.runs.package import check_is_run
from segkit.volumes.reading import stem
from segkit.volumes.selection import Location


@dataclass(frozen=True)
class Masks:
    """Masks beside their references.

    Attributes:
        pairs: case name to mask and reference.
        labels: as declared; None: every value found.
        output: folder of the results.
        failed: cases without a mask, with the reason.
    """

    pairs: Mapping[str, tuple[Path, Location]]
    labels: Declared | None
    output: Path
    failed: Mapping[str, str]


def evaluate(config: EvaluateConfig) -> Evaluation:
    """Score masks against references and print a table.

    Returns:
        scores and statistics.

    Raises:
        UsageError: when neither folders nor a run are given, or both.
        CasesFailedError: when cases could not be scored; the others were.
    """
    masks = masks_of_run(config) if config.run else masks_in_folders(config)
    check_writable(masks.output)
    evaluation = evaluate_pairs(
        masks.pairs,
        config.labels or masks.labels,
        workers=config.workers,
        bootstrap=config.bootstrap.resamples,
        seed=config.bootstrap.seed,
        tolerance=config.tolerance,
        failed=masks.failed,
    )
    table(f"{len(evaluation.scores)} cases", *evaluation_table(evaluation))
    paths_written(write_evaluation(evaluation, masks.output))
    if evaluation.failed:
        names = ", ".join(list(evaluation.failed)[:5])
        raise CasesFailedError(f"{len(evaluation.failed)} cases could not be scored: {names}")
    return evaluation


def masks_in_folders(config: EvaluateConfig) -> Masks:
    """Match two folders by file name.

    Raises:
        UsageError: when a folder or the output is not given.
        DataError: when a folder holds nothing to match.
    """
    if not (config.predictions and config.references and config.output):
        raise UsageError("pass predictions=DIR references=DIR output=DIR, or run=RUN")
    masks = Path(config.predictions)
    manifest = read_manifest(masks)
    matched = match_folders(masks, Path(config.references), leave_out=manifest.beside_masks(masks))
    if matched.skipped:
        warn(f"{len(matched.skipped)} masks have no reference and are left out, the first is {matched.skipped[0].name}")
    unpredicted = {stem(path): manifest.failed.get(stem(path)) for path in matched.missing}
    failed = {case: f"it was not segmented: {reason}" for case, reason in unpredicted.items() if reason}
    if len(failed) < len(unpredicted):
        warn(f"{len(unpredicted) - len(failed)} references have no mask and are left out")
    return Masks(matched.pairs, manifest.labels, Path(config.output), {**matched.failed, **failed})


def masks_of_run(config: EvaluateConfig) -> Masks:
    """Predict a split of a run's data set, where that is not done yet, and pair it with its references.

    Raises:
        UsageError: when folders are given too.
        DataError: when the run cannot be used.
    """
    if config.predictions or config.references:
        raise UsageError("pass either run=RUN or predictions=DIR references=DIR, not both")
    from segkit.commands.predict import segment
    from segkit.config.compose import configure
    from segkit.config.recorded import load_config

    folder = RunFolder(Path(config.run or ""))
    check_is_run(folder.path, instead="segment with segkit predict, then pass predictions=DIR references=DIR")
    dataset = open_recorded(load_config("train", folder.config).data, config.trust)
    masks, failed = masks_there(folder, config.split), {}
    if masks is None:
        words = [f"run={config.run}", f"split={config.split}", f"device={config.device}"]
        cohort = segment(replace(configure("predict", words), trust=config.trust))
        masks, failed = cohort.masks, cohort.failed
    cases = dataset.cases
    pairs = {name: (mask, cases[name].reference) for name, mask in masks.items() if name in cases}
    referenced = {name: (mask, reference) for name, (mask, reference) in pairs.items() if reference is not None}
    return Masks(referenced, dataset.options.labels, Path(config.output or folder.evaluation), failed)


def masks_there(folder: RunFolder, split: str) -> dict[str, Path] | None:
    """Return the masks of a split where each is there and the run's own model made it, with whatever settings."""
    masks = folder.predictions(split)
    manifest, wanted = read_manifest(masks), split_from(load_json(folder.split), where=str(folder.split)).names(split)
    found = {name: manifest.mask(masks, name) for name in wanted}
    complete = {name: path for name, path in found.items() if path is not None}
    is_own = manifest.weights == [read_record(folder.model).weights]
    return complete if wanted and is_own and len(complete) == len(wanted) else None
