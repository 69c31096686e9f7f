"""A search from its first check to its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.call import Call
from segkit.config.commands import TuneConfig
from segkit.config.search import Space, SweepOptions, space_from, word
from segkit.foundation.console import paths_written, say, table
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import CasesFailedError, StoppedError, UsageError
from segkit.foundation.files import check_writable
from segkit.foundation.locks import lock
from segkit.foundation.plain import plain
from segkit.runs.folder import FREE, new_run_folder
from segkit.studies.engine import Engine
from segkit.studies.launching import build_launcher
from segkit.studies.runs import is_among
from segkit.studies.search import claims
from segkit.studies.search.plots import draw_history, draw_importance
from segkit.studies.search.records import TRIALS_FILE, Records, best_trials, counted, state_of
from segkit.studies.search.sampling import make_pruner, shown
from segkit.studies.search.storage import check_optuna, objectives_of, only_study, open_storage, open_study
from segkit.studies.search.worker import LOCK, Worker
from segkit.studies.study import STUDY_FILE
from segkit.studies.sweep import unmeasured
from segkit.studies.trackers.tracking import build_tracker
from segkit.studies.trial import training_config

if TYPE_CHECKING:
    from optuna import Study


def search(config: TuneConfig, call: Call) -> Path:
    """Work on a study until its trials are done, beside other workers maybe.

    Args:
        config: the composed config.
        call: what was typed.

    Returns:
        The study's folder.

    Raises:
        UsageError: when a setting of the space does not hold, or the study in `output` searches something else.
        CasesFailedError: when trials failed, naming them; the others were finished.
        MissingExtraError: when Optuna is not installed.
        StoppedError: after Ctrl-C or SIGTERM, once every trial has saved its state.
    """
    check_optuna()
    space = space_from(config.sweep.space)
    words = training_words(call.overrides, space)
    check_ends(words, space, call)
    devices = config.training.devices or 1
    launcher, tracker = build_launcher(config.launcher, devices), build_tracker(config.tracker)
    folder = Path(config.output) if config.output else new_run_folder(Path(config.paths.runs), config.name).path
    check_writable(folder)
    pruner = make_pruner(config.sweep, config.training)
    record = {"space": plain(space), "objectives": config.sweep.objectives, "words": _comparable(words)}
    with lock(folder / LOCK, doing="opening the study"):
        storage = open_storage(config.sweep.storage, folder)
        name = config.sweep.study or (None if config.sweep.storage else only_study(storage)) or folder.name
        study = open_study(storage, name, record, pruner)
    most = number_of_trials(config.sweep, space)
    say(f"{most} trial{'s' * (most > 1)} in {folder}: {', '.join(space)}")
    records = Records(folder, space, words, command_of(call), config.data.name)
    try:
        Worker(study, folder, config, space, words, call.config_dirs, Engine(launcher), records, tracker).work()
    except (KeyboardInterrupt, StoppedError) as error:
        raise StoppedError(
            f"stopped; every trial's state is saved, and the same words with output={folder} go on"
        ) from error
    return conclude(study, records)


def number_of_trials(options: SweepOptions, space: Space) -> int:
    """Return how many trials there will be at most: a grid has an end of its own."""
    if options.sampler != "grid":
        return options.trials
    return min(options.trials, prod(len(dimension.grid or ()) for dimension in space.values()))


def training_words(words: Sequence[str], space: Space) -> list[str]:
    """Return the words that every training of a search has in common."""
    kept = []
    for each in words:
        key = each.partition("=")[0]
        if key not in space and key != "output" and key != "sweep" and not key.startswith("sweep."):
            kept.append(each)
    return unmeasured(kept)


def _comparable(words: Sequence[str]) -> list[str]:
    """Return the words that must be the same for every worker: where a training runs changes nothing that it finds."""
    free = [key for key in FREE if key != "inference"]  # by which cases that validate are segmented
    return sorted(each for each in words if not is_among(each.partition("=")[0].lstrip("+~"), free))


def check_ends(words: Sequence[str], space: Space, call: Call) -> None:
    """Compose a training at every end of the space, so that a search does not fail in the middle of the night.

    Raises:
        UsageError: naming the setting that does not hold.
    """
    first = {key: dimension.ends[0] for key, dimension in space.items()}
    for key, dimension in space.items():
        for value in dimension.ends:
            tried = [word(name, member) for name, member in {**first, key: value}.items()]
            try:
                training_config([*words, *tried], call.config_dirs)
            except UsageError as error:
                raise UsageError(f"with {word(key, value)}: {error}") from error


def command_of(call: Call) -> dict[str, Any]:
    """Return what was typed, for the record; a storage may hold a password."""
    words = [each for each in call.overrides if not each.startswith("sweep.storage=")]
    return {"command": "tune", "overrides": words, "config_dirs": call.config_dirs, "cwd": call.cwd}


def conclude(study: Study, records: Records) -> Path:
    """Write the records and pictures of a study, and say what was found.

    Raises:
        CasesFailedError: when trials failed, naming them.
    """
    folder, space = records.folder, records.space
    records.write(study)
    pictures = [draw_history(study, folder / "history.png"), draw_importance(study, folder / "importance.png")]
    trials = counted(study.get_trials(deepcopy=False))
    names = objectives_of(study)
    table("trials", ("trial", "state", *names, "time", "settings"), [_shown(trial, len(names)) for trial in trials])
    for best in best_trials(study)[:3]:
        settings = " ".join(word(key, best.params[key]) for key in space)
        say(f"best: trial {best.number:03d}, Dice {best.values[0]:.4f}: {settings}")
    paths_written([folder / STUDY_FILE, folder / TRIALS_FILE, *(path for path in pictures if path)])
    failed = [trial for trial in trials if trial.state.name == "FAIL"]
    if failed:
        told = "; ".join(f"{trial.number:03d} ({trial.user_attrs.get(claims.REASON)})" for trial in failed)
        raise CasesFailedError(f"{len(failed)} of {len(trials)} trials failed: {told}")
    return folder


def _shown(trial: Any, objectives: int) -> tuple[str, ...]:
    values = [f"{value:.4g}" for value in trial.values or ()]
    seconds = trial.user_attrs.get("seconds")
    took = format_duration(float(seconds)) if seconds is not None else ""
    return (f"{trial.number:03d}", state_of(trial), *values, *[""] * (objectives - len(values)), took,
            shown(trial.params))  # fmt: skip
