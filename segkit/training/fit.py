"""One training, from where it stands to its end."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException

from segkit.config.options import TrainingOptions
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import StoppedError
from segkit.foundation.strangers import load_checkpoint
from segkit.networks.precision import uses_bf16
from segkit.runs.folder import RunFolder
from segkit.training.callbacks import AveragedWeights, Checkpoints, ClockKeeper, MetricsFile, StopSignals
from segkit.training.clock import Clock
from segkit.training.module import Segmentation
from segkit.training.patches import Patches
from segkit.training.progress import ProgressLine

VALIDATIONS = 10  # in a training that does not say how often


@dataclass(frozen=True)
class Every:
    """An interval in steps or in seconds."""

    steps: int | None = None
    seconds: float | None = None


def every(text: str) -> Every:
    """Read an interval: a bare number counts steps, anything else is a duration.

    Raises:
        UsageError: when it is neither.
    """
    return Every(steps=max(1, int(text))) if str(text).isdigit() else Every(seconds=parse_duration(text))


def make_clock(options: TrainingOptions) -> Clock:
    """Return the clock of `training.budget` or `training.steps`."""
    return Clock(budget=parse_duration(options.budget) if options.budget else None, steps=options.steps)


def validation_interval(options: TrainingOptions, clock: Clock) -> Every:
    """Return how often a fold validates: as configured, else ten times a training."""
    if options.validate_every:
        return every(options.validate_every)
    if clock.budget is not None:
        return Every(seconds=clock.budget / VALIDATIONS)
    return Every(steps=max(1, (clock.steps or 1) // VALIDATIONS))


def fit(
    module: Segmentation, patches: Patches, options: TrainingOptions, folder: RunFolder, *, clock: Clock,
    labels: list[str], device: torch.device,
) -> pl.Trainer:  # fmt: skip
    """Train until the clock says so, from the last checkpoint where there is one.

    Args:
        module: what is trained; afterwards it holds the averaged weights.
        patches: where its batches come from.
        options: length, precision, intervals.
        folder: takes metrics.csv and checkpoints.
        clock: that the module's schedule follows too.
        labels: foreground labels, for metrics.csv.
        device: where the network lives.

    Returns:
        the trainer at its end.

    Raises:
        StoppedError: after Ctrl-C or SIGTERM, once a checkpoint is written.
        DataError: when the last checkpoint cannot be read.
    """
    with StopSignals() as signals:
        interval = every(options.checkpoint_every)
        keeping = Checkpoints(
            folder.last, folder.best, every_steps=interval.steps, every_seconds=interval.seconds, clock=clock,
            stop_asked=lambda: signals.asked,
        )  # fmt: skip
        averaging = [AveragedWeights(options.ema)] if options.ema > 0 else []
        callbacks = [*averaging, ClockKeeper(clock), MetricsFile(folder.metrics, clock, labels),
                     ProgressLine(clock), keeping]  # fmt: skip
        trainer = make_trainer(options, clock, callbacks, folder.path, device, validates=bool(patches.validation))
        resumed = folder.last if folder.last.exists() else None
        if resumed:
            load_checkpoint(resumed)  # refuses a damaged or hostile one in a line
        try:
            trainer.fit(module, patches, ckpt_path=resumed, weights_only=True)
        except (SIGTERMException, SystemExit) as error:  # Lightning's way out after a signal or a second Ctrl-C
            raise StoppedError("stopped; the same command goes on from the last checkpoint") from error
    for callback in averaging:
        callback.on_train_end(trainer, module)
    return trainer


def make_trainer(
    options: TrainingOptions,
    clock: Clock,
    callbacks: list[pl.Callback],
    root: Path,
    device: torch.device,
    *,
    validates: bool,
) -> pl.Trainer:
    """Return Lightning's trainer, quiet, with segkit's own clock, checkpoints and records."""
    quiet_lightning()
    validate = validation_interval(options, clock)
    interval: Any = validate.steps if validate.steps else timedelta(seconds=validate.seconds or 0)
    return pl.Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[device.type],
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision="bf16-mixed" if uses_bf16(options.precision, device) else "32-true",
        max_epochs=1,
        max_steps=clock.steps or -1,
        val_check_interval=interval,
        check_val_every_n_epoch=None,
        limit_val_batches=1.0 if validates else 0,
        num_sanity_val_steps=0,
        gradient_clip_val=options.gradient_clip or None,
        use_distributed_sampler=False,
        callbacks=callbacks,
        default_root_dir=root,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Bit for bit is promised on the CPU; on a GPU cuDNN may take its fastest kernels.
        deterministic=device.type == "cpu",
        benchmark=device.type == "cuda",
    )


def quiet_lightning() -> None:
    """Silence what Lightning says about choices that are segkit's own; its other warnings stay."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*`IterableDataset` has `__len__`.*",
        ".*isinstance.treespec, LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", message=message)
