"""The earlier stage of a cascade: networks at low resolution, and of every case the mask of those that never saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from segkit.commands.debugging import FAST, FEW_CASES, OVERFIT
from segkit.commands.preparing import shortened, split_dataset
from segkit.commands.usable import usable_dataset
from segkit.config.commands import TrainConfig
from segkit.config.options import CascadeOptions, PostprocessingOptions, TrainingOptions
from segkit.config.plan import plan_from
from segkit.datasets.dataset import Dataset, open_dataset
from segkit.datasets.splits import ALL, Split, split_cases
from segkit.foundation.console import say, warn
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_yaml
from segkit.foundation.suggestions import some_of
from segkit.preparation.identical import together_by_content
from segkit.runs.folder import RunFolder

STAGE, MASKS = "previous", "masks"  # folders of the earlier stage in a run, and of its masks
VALIDATION = "validation"


@dataclass(frozen=True)
class EarlierStage:
    """Where the earlier stage of a run lies.

    Attributes:
        folder: of its runs and masks.
        networks: how many it has.
    """

    folder: Path
    networks: int

    @property
    def masks(self) -> Path:
        """The masks, in a folder for each network and one for the cases that validate."""
        return self.folder / MASKS

    @property
    def runs(self) -> list[RunFolder]:
        """The run of each network."""
        return [RunFolder(self.folder / f"network_{number}") for number in range(1, self.networks + 1)]

    @property
    def models(self) -> list[Path]:
        """The model folder of each network."""
        return [run.model for run in self.runs]


def earlier_stage(config: TrainConfig, folder: RunFolder) -> EarlierStage | None:
    """Return where the earlier stage of a run lies; None where `cascade.folds` asks for none.

    Raises:
        UsageError: when a cascade cannot be made of this config.
    """
    if config.cascade is None or config.cascade.folds == 0:
        return None
    reasons = {
        "plan.dims=2: a cascade is of 3D networks": config.plan.dims == 2,
        "plan.resolution=low: it is the earlier stage that has a low resolution": config.plan.resolution == "low",
        "debug=overfit: one batch has no earlier stage": config.debug == OVERFIT,
        "cascade.folds=1: its one network would have seen every case that it shows": config.cascade.folds == 1,
        "training.devices above 1: its stages are of one process": (config.training.devices or 1) > 1,
        "cascade.share=0: the earlier stage needs a share of the time": config.cascade.share == 0,
        "data.region_order with data.mirrored: cascades of sided regions are not built": bool(
            config.data.region_order and config.data.mirrored
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise UsageError(f"cascade and {reason}; pass cascade=none, or leave that out")
    networks = min(config.cascade.folds, FEW_CASES) if config.debug == FAST else config.cascade.folds
    return EarlierStage(folder.path / STAGE, networks)


def later_config(config: TrainConfig, stage: EarlierStage) -> TrainConfig:
    """Return the config of the network at full resolution: with the earlier masks, and what is left of the time."""
    share = 0.0 if config.cascade is None else config.cascade.share
    data = replace(config.data, previous=str(stage.masks))
    return replace(config, data=data, training=portion(config.training, 1 - share))


def portion(options: TrainingOptions, share: float) -> TrainingOptions:
    """Return how long to train when only a share of the time is one's own."""
    budget = f"{parse_duration(options.budget) * share:.3f}s" if options.budget else None
    return replace(options, budget=budget, steps=max(1, round(options.steps * share)) if options.steps else None)


def train_earlier_stage(config: TrainConfig, stage: EarlierStage, train: Callable[[TrainConfig], Path]) -> None:
    """Train the networks of the earlier stage and write their masks; what is there already is kept.

    Each network trains without a part of the training cases, and segments that part; those that validate are segmented
    by all of them together, as every later scan will be.

    Args:
        config: of the whole cascade.
        stage: where it lies.
        train: `segkit train` on a config.

    Raises:
        CasesFailedError: when cases cannot be used or segmented.
        DataError: when there are fewer cases than networks.
    """
    data = replace(config.data, previous=None)
    dataset = usable_dataset(open_dataset(data), config.workers).dataset
    split = split_dataset(dataset, config.training.fold, config.workers)
    split = shortened(split, FEW_CASES if config.debug == FAST else None)
    parts = dealt(dataset, split, stage.networks)
    stage.masks.mkdir(parents=True, exist_ok=True)
    for number, (run, part) in enumerate(zip(stage.runs, parts, strict=True), start=1):
        say(f"the earlier stage of the cascade: network {number} of {stage.networks}, at low resolution")
        own = Split(tuple(name for name in split.training if name not in part), (), ())
        listed = stage.folder / f"split_{number}.json"
        write_json(listed, asdict(own))
        train(earlier_config(replace(config, data=data), run, listed, stage.networks))
    for number, (run, part) in enumerate(zip(stage.runs, parts, strict=True), start=1):
        write_masks([run], part, dataset, stage.masks / f"network_{number}", config)
    write_masks(stage.runs, split.validation, dataset, stage.masks / VALIDATION, config)


def dealt(dataset: Dataset, split: Split, parts: int) -> list[tuple[str, ...]]:
    """Deal the training cases into parts, those of one patient or image into one.

    Raises:
        DataError: when there are fewer cases, or patients, than parts.
    """
    cases = [dataset.cases[name] for name in split.training]
    options = replace(
        dataset.options.split, held_out=None, held_out_fraction=None, outer_folds=None, file=None, folds=parts,
        stratify_by=None,
    )  # fmt: skip
    together = together_by_content(cases)
    return [split_cases(cases, options, str(number), together=together).validation for number in range(parts)]


def earlier_config(config: TrainConfig, run: RunFolder, split: Path, networks: int) -> TrainConfig:
    """Return the config of one network of the earlier stage."""
    share = 0.0 if config.cascade is None else config.cascade.share
    training = replace(portion(config.training, share / networks), fold=ALL, weights=None, patience=None)
    listed = replace(
        config.data.split, file=str(split), held_out=None, held_out_fraction=None, outer_folds=None, outer_fold=None
    )
    return replace(
        config,
        data=replace(config.data, split=listed),
        plan=replace(config.plan, resolution="low", file=None, spacing=None),
        training=training,
        cascade=CascadeOptions(folds=0, share=0.0),
        output=str(run.path),
        resume=None,
        debug=config.debug is True,
    )


def write_masks(
    runs: Sequence[RunFolder], names: Sequence[str], dataset: Dataset, output: Path, config: TrainConfig
) -> None:
    """Segment cases by runs of the earlier stage; masks that are there already are kept.

    Raises:
        CasesFailedError: when one cannot be segmented.
    """
    from segkit.inference.cohort import predict_cohort
    from segkit.inference.model import load

    if not names:
        return
    as_it_is = PostprocessingOptions(learnt=False, rules={})
    model = load(
        [run.path for run in runs], device=config.device, options=config.inference, postprocessing=as_it_is,
        trust=config.trust,
    )  # fmt: skip
    cohort = predict_cohort(model, {name: dataset.cases[name].images for name in names}, output, "nifti")
    if cohort.failed:
        raise CasesFailedError(f"the earlier stage could not segment {some_of(sorted(cohort.failed))}")


def compare_resolutions(stage: EarlierStage, folder: RunFolder) -> None:
    """Warn where both stages see scans alike, since a cascade then gains nothing."""
    low, full = (plan_from(load_yaml(run.plan), where=str(run.plan)) for run in (stage.runs[0], folder))
    if low.spacing == full.spacing:
        warn(
            "a patch at full resolution sees a quarter of the median scan or more, so both stages of the cascade have "
            "the same spacing; cascade=none will do as well"
        )
