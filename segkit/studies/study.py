"""A study's record: `study.json`, a row for each trial, true at any moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json
from segkit.foundation.locks import lock
from segkit.foundation.strangers import load_json
from segkit.runs.ensemble import is_folder_name
from segkit.runs.folder import FINISHED, RunFolder
from segkit.studies.progress import MetricsReader, Progress
from segkit.studies.trial import RESERVED, STOPPED, Result, Trial

STUDY_FILE = "study.json"
WAITING, RUNNING = "waiting", "running"


@dataclass
class Entry:
    """What is known of one trial.

    Attributes:
        trial: what starts it.
        swept: the overrides that tell it from the others.
        data: the name of its data set.
        budget: seconds that it trains for, or None.
        steps: optimiser steps that it trains for, or None.
        state: `waiting`, `running`, or how it ended.
        seconds: wall time over all attempts.
        exit_code: of its last attempt; None before the first has ended.
        reason: why it did not finish, where that is known.
        progress: how far it is.
    """

    trial: Trial
    swept: tuple[str, ...]
    data: str
    budget: float | None
    steps: int | None
    state: str = WAITING
    seconds: float = 0.0
    exit_code: int | None = None
    reason: str | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return self.state == FINISHED

    @property
    def has_ended(self) -> bool:
        """Whether nothing more becomes of it by itself."""
        return self.state not in (WAITING, RUNNING)

    @property
    def share_done(self) -> float:
        """How far its training is, 0 to 1."""
        if self.budget:
            return min(1.0, self.progress.seconds / self.budget)
        return min(1.0, self.progress.step / self.steps) if self.steps else 0.0

    def read_progress(self) -> None:
        """Look up how far its run is."""
        self.progress = MetricsReader(RunFolder(self.trial.run).metrics).read()

    def row(self) -> dict[str, Any]:
        """Return what study.json says of it."""
        return {
            "name": self.trial.name,
            "run": self.trial.run,
            "overrides": self.trial.overrides,
            "swept": self.swept,
            "data": self.data,
            "state": self.state,
            **({"seconds": round(self.seconds, 1)} if self.seconds else {}),
            "exit_code": self.exit_code,
            "reason": self.reason,
            "step": self.progress.step,
            "dice": self.progress.dice,
            "best_dice": self.progress.best_dice,
        }


def entry_of(trial: Trial, swept: Sequence[str], config: Any) -> Entry:
    """Return what is known of a trial before it starts; `config` is its composed `TrainConfig`."""
    training = config.training
    budget = parse_duration(training.budget) if training.budget else None
    return Entry(trial, tuple(swept), config.data.name, budget, training.steps)


class Study:
    """Trials and what became of them, kept in `study.json` at each change.

    Args:
        folder: of the study.
        entries: one for each trial, in the order in which they start.
        command: what was typed: `overrides`, `config_dirs`, `cwd`.
    """

    def __init__(self, folder: Path, entries: Iterable[Entry], command: Mapping[str, Any]) -> None:
        self.folder, self.command = folder, dict(command)
        self.entries = {entry.trial.name: entry for entry in entries}

    @property
    def todo(self) -> list[Trial]:
        """The trials that are not finished."""
        return [entry.trial for entry in self.entries.values() if not entry.is_finished]

    @property
    def failed(self) -> list[Entry]:
        """Those that ended without finishing."""
        return [entry for entry in self.entries.values() if entry.has_ended and not entry.is_finished]

    def save(self) -> None:
        """Write study.json."""
        rows = [entry.row() for entry in self.entries.values()]
        write_json(self.folder / STUDY_FILE, {"command": self.command, "trials": rows})

    def note_start(self, trial: Trial) -> None:
        """Record that a trial runs."""
        self.entries[trial.name].state = RUNNING
        self.save()

    def note_end(self, result: Result) -> Entry:
        """Record how a trial ended."""
        entry = self.entries[result.trial.name]
        entry.state, entry.exit_code, entry.reason = result.state, result.exit_code, result.reason
        entry.seconds += result.seconds
        entry.progress = result.progress
        self.save()
        return entry

    def note_stop(self) -> None:
        """Record that whatever ran was stopped."""
        for entry in self.entries.values():
            if entry.state == RUNNING:
                entry.state = STOPPED
        self.save()


@dataclass(frozen=True)
class Recorded:
    """What study.json says of an earlier sitting: rows by trial name, and what was typed."""

    rows: dict[str, dict[str, Any]]
    command: dict[str, Any]


def read_study(folder: Path) -> Recorded:
    """Read a study's record; it may be a stranger's, so that names which would leave the folder are refused.

    Raises:
        DataError: when there is none, or it cannot be one.
    """
    path = folder / STUDY_FILE
    found = load_json(path)
    rows = found.get("trials") if isinstance(found, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} is no record of a study: it lists no trials")
    for row in rows:
        name = row.get("name")
        if not is_folder_name(name) or name in RESERVED:
            raise DataError(f"{path} names a trial {name!r}, which is no folder of the study")
        if not all(isinstance(row.get(key, []), list) for key in ("overrides", "swept")):
            raise DataError(f"{path} is no record of a study: the words of {name} are no list")
    command = found.get("command")
    return Recorded({row["name"]: row for row in rows}, command if isinstance(command, dict) else {})


def is_study(folder: Path) -> bool:
    """Say whether a folder holds a study."""
    return (folder / STUDY_FILE).is_file()


def held(folder: Path) -> AbstractContextManager[None]:
    """Return a lock on a study's folder: two commands that wrote what its trials start from would mix them up.

    Raises:
        SegkitError: when another command holds it.
    """
    return lock(folder / ".lock", doing=f"running the study {folder}", timeout=1)
