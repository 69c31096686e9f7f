"""`study.resume=DIR`: finished trials are kept, broken ones go on from their checkpoint, missing ones start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from segkit.config.call import Call
from segkit.config.compose import compose
from segkit.config.groups import config_sources
from segkit.config.overrides import Overrides, read_overrides
from segkit.config.recorded import CONFIG_FILE, load_config
from segkit.config.suggestions import listed
from segkit.foundation.errors import UsageError
from segkit.runs.folder import RunFolder
from segkit.studies.launching import Launcher, build_launcher
from segkit.studies.study import FINISHED, WAITING, Entry, Study, entry_of, is_study, read_study
from segkit.studies.trial import CONFIGS, write_trial

KEY = "study.resume"
_MAY_CHANGE = ("launcher", "trust", "debug")
_LOCAL = "segkit.studies.local.LocalLauncher"


def resumed_study(call: Call) -> tuple[Study, Launcher]:
    """Return a study that was interrupted, and where its trials go on.

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
    trust = _trusted(read)
    recorded = read_study(folder)
    configs = {name: _config(folder, name, trust) for name in recorded.rows}
    launcher = _launcher(call, read, next(iter(configs.values())).launcher, folder)
    entries = []
    for name, config in configs.items():
        row = recorded.rows[name]
        overrides = [str(word) for word in row.get("overrides", ())]
        entries.append(entry_of(write_trial(folder, name, overrides, config), row.get("swept", ()), config))
    recall(entries, recorded.rows)
    return Study(folder, entries, recorded.command), launcher


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


def _launcher(call: Call, read: Overrides, recorded: Mapping[str, Any], folder: Path) -> Launcher:
    named = [o for o in (*read.choices, *read.values) if o.key_or_group.partition(".")[0] == "launcher"]
    if named:
        words = ["data=hippocampus", *(str(override.input_line) for override in named)]  # some data set, to compose
        composed = compose("train", words, config_dirs=call.config_dirs).launcher
        options: Any = OmegaConf.to_container(composed, resolve=True)
        return build_launcher(options)
    if recorded.get("_target_") != _LOCAL:
        raise UsageError(
            f"launcher: {folder} ran by {recorded.get('_target_')}: type launcher=... again to go on with it"
        )
    return build_launcher(recorded)


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
