"""`segkit train data=NAME`: prepares where needed, trains, leaves a run folder with a model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from shlex import quote
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from segkit.commands.assembling import build_module, model_record, patches_of
from segkit.commands.cascade import (
    EarlierStage,
    compare_resolutions,
    earlier_stage,
    later_config,
    train_earlier_stage,
)
from segkit.commands.debugging import FAST, FEW_CASES, OVERFIT, debugged, learn_one_batch
from segkit.commands.evaluate import evaluate
from segkit.commands.preparing import Study, prepare_study
from segkit.commands.records import check_same_files, record_study, recorded_decisions, seen_by
from segkit.commands.scoring import is_scored, is_trial, score_validation
from segkit.commands.smaller_batch import batches_of, in_batches, once_more_if_memory_runs_out
from segkit.config.call import Call
from segkit.config.checks import EACH
from segkit.config.commands import TrainConfig
from segkit.config.compose import configure
from segkit.config.rules import plain_rules
from segkit.config.targets import check_signatures
from segkit.datasets.dataset import completed
from segkit.foundation.allocator import keep_freed_memory
from segkit.foundation.console import paths_written, say
from segkit.foundation.errors import StoppedError, UsageError
from segkit.foundation.files import check_writable, write_json
from segkit.foundation.hashing import file_hash
from segkit.foundation.journal import logged_to
from segkit.foundation.locks import lock
from segkit.networks.precision import choose_device
from segkit.preparation.intensity_transforms import portable
from segkit.runs.environment import environment
from segkit.runs.folder import FINISHED, RunFolder, check_same_config, new_run_folder
from segkit.runs.model_file import read_record, write_model, write_record
from segkit.training.building import check_strangers_config
from segkit.training.clock import Clock
from segkit.training.fit import fit, make_clock
from segkit.training.lightning_parts import build_callbacks, build_plugins, build_profiler
from segkit.training.loggers import build_logger, check_extra
from segkit.training.module import Segmentation
from segkit.training.outside_weights import start_from
from segkit.training.ranks import check_output_is_named, hand_over, handed_over, machines_of, rank, share_of
from segkit.training.rules import announce, evidence_of, learn_on
from segkit.training.validations import early_end

SAVING_SECONDS = 60.0
LOOKING_SECONDS = 0.5  # between two looks at what the first of several processes has decided


def train(config: TrainConfig, call: Call | None = None) -> Path:
    """Train one run, or go on with it where it was interrupted.

    Args:
        config: the composed config; with `resume`, the one that the run recorded.
        call: what was typed, for the run's own record.

    Returns:
        the run folder.

    Raises:
        UsageError: when the config does not hold together, or the output holds another run.
        CasesFailedError: when cases cannot be used.
        StoppedError: after Ctrl-C or SIGTERM, once a checkpoint is written.
    """
    if config.resume:
        check_strangers_config(config)
    else:
        check_signatures(config)
    check_extra(config.logger)
    config = debugged(portable(replace(config, data=completed(config.data))))
    if config.training.fold == EACH:
        raise UsageError(f"training.fold={EACH} is a training for each fold: add -m, or say which one")
    check_output_is_named(config.resume or config.output)
    machines_of(config.training.devices or 1)
    device = choose_device(config.device)
    folder = folder_of(config)
    stage = earlier_stage(config, folder)
    if rank() > 0:
        if not folder.is_finished:
            follow(config, folder, device)
        return folder.path
    check_writable(folder.path)
    # A trial whose worker or study was killed is still saving its state when another process goes on with it.
    patience = SAVING_SECONDS if is_trial(config) else 1
    with lock(folder.path / ".lock", doing=f"training in {folder.path}", timeout=patience):
        if is_finished(folder, config):
            say(f"{folder.path} is finished already")
        else:
            with logged_to(folder.log), status_kept(folder):
                once_more_if_memory_runs_out(lambda: run(config, folder, device, call, stage), config, folder)
    if config.debug == FAST:
        evaluate(configure("evaluate", [f"run={folder.path}", "split=validation", f"device={config.device}"]))
    elif is_scored(config):
        score_validation(folder, config)
    paths_written([folder.path])
    return folder.path


def folder_of(config: TrainConfig) -> RunFolder:
    """Return the run folder: the one to go on with, the one named, or a new one."""
    named = handed_over() or config.resume or config.output
    return RunFolder(Path(named)) if named else new_run_folder(Path(config.paths.runs), config.name)


def is_finished(folder: RunFolder, config: TrainConfig) -> bool:
    """Say whether this very run stands finished in its folder.

    Raises:
        UsageError: when the folder holds a run of another config.
    """
    check_same_config(folder, asdict(config), f"go on with that run: segkit train resume={quote(str(folder.path))}")
    return folder.is_run and folder.is_finished


@contextmanager
def status_kept(folder: RunFolder) -> Iterator[None]:
    """Keep `status.json` true, whatever happens inside."""
    folder.set_status("running")
    try:
        yield
    except (StoppedError, KeyboardInterrupt):
        folder.set_status("stopped")
        raise
    except BaseException as error:
        folder.set_status("failed", reason=f"{type(error).__name__}: {error}".splitlines()[0])
        raise


def run(
    asked: TrainConfig, folder: RunFolder, device: torch.device, call: Call | None, stage: EarlierStage | None
) -> None:
    """Prepare, train and export into a run folder, the earlier stage of a cascade first."""
    keep_freed_memory()
    if not folder.environment.exists():
        write_json(folder.environment, environment())
    config = asked
    if stage:
        train_earlier_stage(asked, stage, train)
        config = later_config(asked, stage)
    before = recorded_decisions(folder, config)
    study = prepare_study(config, before=before, most=FEW_CASES if config.debug == FAST else None)
    if before:
        check_same_files(folder, study)
        config, study = in_batches(config, study, batches_of(folder, study.plan, config))
    devices = config.training.devices or 1
    share_of(study.plan, devices * machines_of(devices))  # refused before the run is recorded, so that it can be mended
    clock = make_clock(config.training)
    record = model_record(config, study)
    module = build_module(config, study, record, clock)
    if config.training.weights and not folder.last.exists():
        start_from_outside(module.network, Path(config.training.weights), folder)
    if not before:
        record_study(folder, asked, list(call.overrides) if call else [], study)
    if stage:
        compare_resolutions(stage, folder)
    if config.debug == OVERFIT:
        learn_one_batch(module, patches_of(config, study), device)
        folder.set_status("debugged")
        return
    hand_over(folder.path)
    trainer = fitted(config, folder, device, study, module, clock)
    done: dict[str, Any] = {"steps": trainer.global_step, "seconds": round(clock.elapsed, 1)}
    record = replace(record, training={**done, "cases": len(study.split.training)}, seen=seen_by(study))
    write_model(folder.model, record, module.network.state_dict(), stage.models if stage else ())
    learn_postprocessing(folder, module, study, device)
    reason = early_end(trainer)
    folder.set_status(FINISHED, **done, **({"ended_early": reason} if reason else {}))


def fitted(
    config: TrainConfig, folder: RunFolder, device: torch.device, study: Study, module: Segmentation, clock: Clock
) -> pl.Trainer:
    """Train to the end; every process that shares the batches comes here."""
    is_first = rank() == 0
    return fit(
        module, patches_of(config, study), config.training, folder, clock=clock, labels=list(study.labels.foreground),
        device=device, callbacks=build_callbacks(config.callbacks),
        logger=build_logger(config.logger, folder.path) if is_first else None,
        profiler=build_profiler(config.profiler, folder.path) if is_first else None,
        plugins=build_plugins(config.plugins),
    )  # fmt: skip


def follow(config: TrainConfig, folder: RunFolder, device: torch.device) -> None:
    """Train beside the first process, which prepares, decides and writes; it may have been started at the same time."""
    keep_freed_memory()
    while not (before := recorded_decisions(folder, config)):
        time.sleep(LOOKING_SECONDS)
    study = prepare_study(config, before=before)
    clock = make_clock(config.training)
    fitted(config, folder, device, study, build_module(config, study, model_record(config, study), clock), clock)


def start_from_outside(network: nn.Module, weights: Path, folder: RunFolder) -> None:
    """Begin with weights from elsewhere, and record which file they came from and what was taken."""
    taken = start_from(network, weights)
    sha256 = file_hash(weights) if weights.is_file() else None
    write_json(folder.starting_weights, {"from": weights, "sha256": sha256, **asdict(taken)})


def learn_postprocessing(folder: RunFolder, module: Segmentation, study: Study, device: torch.device) -> None:
    """Learn rules of postprocessing where cases validate: the evidence goes beside the model, the rules into it."""
    cases = study.of("validation")
    if not cases or module.validator is None:
        return
    learnt = learn_on(module.network, module.validator, cases, device)
    announce(learnt)
    write_json(folder.postprocessing, evidence_of(learnt))
    if learnt.rules:
        write_record(folder.model, replace(read_record(folder.model), postprocessing=plain_rules(learnt.rules)))
