"""One training, from where it stands to its end."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.loggers import Logger
from pytorch_lightning.plugins import Precision
from pytorch_lightning.profilers import Profiler
from pytorch_lightning.utilities.exceptions import SIGTERMException

from segkit.config.options import TrainingOptions
from segkit.config.suggestions import one_line
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import StoppedError, UsageError
from segkit.foundation.strangers import load_checkpoint
from segkit.networks.precision import uses_bf16
from segkit.runs.folder import RunFolder
from segkit.training.callbacks import AveragedWeights, Checkpoints, ClockKeeper, InPlace, StopSignals
from segkit.training.clock import Clock
from segkit.training.lightning_parts import Plugin
from segkit.training.metrics_file import MetricsFile
from segkit.training.module import Segmentation
from segkit.training.patches import Patches
from segkit.training.pictures import Pictures
from segkit.training.progress import ProgressLine
from segkit.training.ranks import machines_of, rank, surroundings
from segkit.training.validations import NEVER, Every, Patience, Validations, every
from segkit.training.waiting import Waiting

VALIDATIONS = 10  # in a training that does not say how often


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
    labels: list[str], device: torch.device, callbacks: Sequence[pl.Callback] = (), logger: Logger | None = None,
    profiler: Profiler | None = None, plugins: Sequence[Plugin] = (),
) -> pl.Trainer:  # fmt: skip
    """Train until the clock says so, from the last checkpoint where there is one.

    Args:
        module: what is trained; afterwards it holds the averaged weights.
        patches: where its batches come from.
        options: length, precision, intervals.
        folder: takes metrics.csv, pictures and checkpoints.
        clock: that the module's schedule follows too.
        labels: foreground labels, for metrics.csv.
        device: where the network lives.
        callbacks: beside segkit's own.
        logger: takes what is logged beside metrics.csv.
        profiler: hears what the trainer does.
        plugins: of the trainer.

    Returns:
        the trainer at its end.

    Raises:
        StoppedError: after Ctrl-C or SIGTERM, once a checkpoint is written.
        DataError: when the last checkpoint cannot be read.
        UsageError: when Lightning refuses a callback, logger or plugin beside what segkit sets.
    """
    with StopSignals() as signals:
        waiting = Waiting(profiler)
        own = own_callbacks(
            options, folder, clock, labels, waiting, validates=bool(patches.validation), signals=signals
        )
        try:
            trainer = make_trainer(
                options, clock, [*callbacks, *own], logger or False, waiting, folder.path, device, plugins
            )
            resumed = folder.last if folder.last.exists() else None
            if resumed:
                load_checkpoint(resumed)  # refuses a damaged or hostile one in a line
            trainer.fit(module, patches, ckpt_path=resumed, weights_only=True)
            make_up_for_the_last_validation(trainer, module, patches, own)
        except MisconfigurationException as error:
            raise UsageError(f"callbacks, logger, plugins: Lightning says: {one_line(error)}") from error
        except (SIGTERMException, SystemExit) as error:  # Lightning's way out after a signal or a second Ctrl-C
            raise StoppedError("stopped; the same command goes on from the last checkpoint") from error
    clock.stop()  # the last picture, as the export, is no training
    for callback in own:
        if isinstance(callback, AveragedWeights):
            callback.on_train_end(trainer, module)
        elif isinstance(callback, Pictures):
            callback.draw()
    return trainer


def make_up_for_the_last_validation(
    trainer: pl.Trainer, module: Segmentation, patches: Patches, own: Sequence[pl.Callback]
) -> None:
    """Validate where the checkpoint of the last step owes it: with no step left, Lightning begins nothing by itself."""
    if any(isinstance(callback, Validations) and callback.is_owed for callback in own):
        for callback in own:
            if isinstance(callback, MetricsFile):
                callback.on_train_start(trainer, module)  # cuts off what was written behind that checkpoint
        trainer.validate(module, datamodule=patches, verbose=False)


def own_callbacks(
    options: TrainingOptions, folder: RunFolder, clock: Clock, labels: list[str], waiting: Waiting, *,
    validates: bool, signals: StopSignals,
) -> list[pl.Callback]:  # fmt: skip
    """Return segkit's own callbacks, in the order in which they hear of a step."""
    is_first = rank() == 0  # of processes that train together, this one writes and shows
    callbacks: list[pl.Callback] = [AveragedWeights(options.ema)] if options.ema > 0 else []
    callbacks += [ClockKeeper(clock)]
    if is_first:
        callbacks += [MetricsFile(folder.metrics, clock, labels, waiting), ProgressLine(clock, waiting)]
    if validates:
        # A checkpoint tells whether a validation is owed, so that is settled before it is written ...
        callbacks += [Validations(validation_interval(options, clock), clock)]
    if validates and options.patience is not None:
        callbacks += [Patience(options.patience, clock)]
    # ... and pictures come last, so that nothing waits for them.
    keeping = Checkpoints(
        folder.last, folder.best, interval=every(options.checkpoint_every), clock=clock,
        stop_asked=lambda: signals.asked,
    )  # fmt: skip
    return [*callbacks, keeping, *([Pictures(folder, clock, labels)] if is_first else [])]


def make_trainer(
    options: TrainingOptions,
    clock: Clock,
    callbacks: list[pl.Callback],
    logger: Logger | bool,
    profiler: Profiler,
    root: Path,
    device: torch.device,
    plugins: Sequence[Plugin],
) -> pl.Trainer:
    """Return Lightning's trainer, quiet, with segkit's own clock, checkpoints and records."""
    quiet_lightning()
    precision: Literal["bf16-mixed", "32-true"] = "bf16-mixed" if uses_bf16(options.precision, device) else "32-true"
    validates = any(isinstance(callback, Validations) for callback in callbacks)
    processes = options.devices or 1
    machines = machines_of(processes)
    is_told = any(isinstance(each, ClusterEnvironment) for each in plugins)
    is_shared = processes * machines > 1
    return pl.Trainer(
        accelerator={"cpu": "cpu", "cuda": "gpu", "mps": "mps"}[device.type],
        devices=processes if is_shared else [device.index or 0] if device.type == "cuda" else 1,
        num_nodes=machines,
        strategy="ddp" if is_shared else "auto",
        precision=None if any(isinstance(each, Precision) for each in plugins) else precision,
        max_epochs=1,  # patches have no end, and neither has an epoch
        max_steps=clock.steps or -1,
        val_check_interval=NEVER,  # `Validations` says when
        check_val_every_n_epoch=None,
        limit_val_batches=1.0 if validates else 0,
        num_sanity_val_steps=0,  # a validation is of whole cases: none just to try it
        accumulate_grad_batches=options.accumulate,
        gradient_clip_val=options.gradient_clip or None,
        use_distributed_sampler=False,  # each rank's share is counted, see `CountedBatches`
        callbacks=callbacks,
        default_root_dir=root,
        logger=logger,
        profiler=profiler,
        plugins=[*plugins, InPlace(), *([] if is_told else [surroundings()])],
        enable_checkpointing=False,  # `Checkpoints` writes them, whole or not at all
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
        ".*sync_dist=True.*",  # every process scores every case
        ".*`srun` command is available.*",  # `surroundings` says what started which processes
    ):
        warnings.filterwarnings("ignore", message=message)
