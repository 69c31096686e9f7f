"""`study.resume=DIR`: finished trials are kept, broken ones go on from their checkpoint, missing ones start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString, Transformer
from omegaconf import OmegaConf

from segkit.config.call import Call
from segkit.config.compose import compose
from segkit.config.groups import config_sources
from segkit.config.overrides import Overrides, read_overrides
from segkit.config.recorded import CONFIG_FILE, load_config
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import listed
from segkit.runs.folder import FINISHED, RunFolder
from segkit.studies.launching import Launcher, build_launcher
from segkit.studies.study import STUDY_FILE, WAITING, Entry, Study, entry_of, held, is_study, read_study
from segkit.studies.trackers.tracking import Tracker, build_tracker, is_local
from segkit.studies.trial import CONFIGS, write_trial

KEY = "study.resume"
_MAY_CHANGE = ("launcher", "tracker", "trust", "debug")
_LOCAL = "segkit.studies.local.LocalLauncher"


@contextmanager
def resumed_study(call: Call) -> Iterator[tuple[Study, Launcher, Tracker | None]]:
    """Hold a study that was interrupted, and yield it, where its trials go on, and where they are told to.

    The study may be a stranger's: what its configs name is checked as that of a run that is resumed, and a launcher
    beside the local one, whose options may hold commands, is taken from what is typed alone.

    Raises:
        UsageError: when there is no study, something typed would make it another one, or its configs do not hold.
        DataError: when its record cannot be read, or a config names what it may not.
    """
    read = read_overrides("train", call.overrides, config_sources(call.config_dirs))
    folder = Path(str(read.paths[KEY]))
    _check_words(read)
    if not is_study(folder):
        raise UsageError(f"{KEY}: {folder} is not the folder of a study: it has no study.json")
    with held(folder):
        recorded = read_study(folder)
        if recorded.command.get("command") == "tune":
            raise UsageError(f"{KEY}: {folder} is a search: type its own words again, segkit tune ... output={folder}")
        if not recorded.rows:
            raise DataError(f"{folder / STUDY_FILE} lists no trials: type the study's own words again")
        trust = _trusted(read)
        configs = {name: _config(folder, name, trust) for name in recorded.rows}
        launcher = _launcher(call, read, list(configs.values()), folder)
        tracker = _tracker(call, read, next(iter(configs.values())), folder)
        yield Study(folder, _written(folder, configs, recorded.rows), recorded.command), launcher, tracker


def _written(folder: Path, configs: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> list[Entry]:
    """Write what trials start from anew: their study may have been moved."""
    entries = []
    for name, config in configs.items():
        overrides = [str(word) for word in rows[name].get("overrides", ())]
        entries.append(entry_of(write_trial(folder, name, overrides, config), rows[name].get("swept", ()), config))
    recall(entries, rows)
    return entries


def _check_words(read: Overrides) -> None:
    names = [*read.paths, *read.tables, *(override.key_or_group for override in (*read.choices, *read.values))]
    for name in names:
        if name != KEY and name.partition(".")[0] not in _MAY_CHANGE:
            raise UsageError(
                f"{name} cannot change when a study goes on: leave it out (these may change: {listed(_MAY_CHANGE)})"
            )


def _trusted(read: Overrides) -> list[str]:
    typed: Any = next((override.value() for override in read.values if override.key_or_group == "trust"), [])
    return [str(package) for package in typed] if isinstance(typed, list) else [str(typed)]


def _config(folder: Path, name: str, trust: list[str]) -> Any:
    from segkit.training.building import check_strangers_config

    config = load_config("train", folder / CONFIGS / name / CONFIG_FILE)
    config = replace(config, trust=trust)  # a study may not trust itself
    check_strangers_config(config)
    return config


def _launcher(call: Call, read: Overrides, configs: Sequence[Any], folder: Path) -> Launcher:
    typed, recorded = _typed(call, read, "launcher", configs[0].name), configs[0].launcher
    devices = max(config.training.devices or 1 for config in configs)
    if typed is not None:
        return build_launcher(typed, devices)
    if recorded.get("_target_") != _LOCAL:
        raise UsageError(
            f"launcher: {folder} ran by {recorded.get('_target_')}: type launcher=... again to go on with it"
        )
    return build_launcher(recorded, devices)


def _tracker(call: Call, read: Overrides, config: Any, folder: Path) -> Tracker | None:
    typed, recorded = _typed(call, read, "tracker", config.name), config.tracker
    if typed is not None:
        return build_tracker(typed)
    if not is_local(recorded):
        raise UsageError(f"tracker: {folder} was told to elsewhere: type tracker=... again, or tracker=none")
    return build_tracker(recorded)


def _typed(call: Call, read: Overrides, group: str, name: str) -> Any:
    """Return the options of a group that is typed anew, None where it is not; they may refer to the study's name."""
    named = [o for o in (*read.choices, *read.values) if o.key_or_group.partition(".")[0] == group]
    if not named:
        return None
    words = [
        "data=hippocampus",  # some data set, to compose
        f"name={Transformer.str(QuotedString(name, Quote.single))}",
        *(str(override.input_line) for override in named),
    ]
    return OmegaConf.to_container(compose("train", words, config_dirs=call.config_dirs)[group], resolve=True)


def recall(entries: Iterable[Entry], rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Take over what an earlier sitting recorded of each trial; its run folder decides whether it is finished."""
    for entry in entries:
        row = rows.get(entry.trial.name, {})
        seconds, state = row.get("seconds", 0.0), row.get("state")
        entry.seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
        entry.read_progress()
        is_done = state == FINISHED and RunFolder(entry.trial.run).is_finished
        entry.state = FINISHED if is_done else WAITING
        if is_done:
            entry.exit_code = 0
