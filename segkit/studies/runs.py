"""Finds the runs of a study, of a folder of runs, or of a list, with what each was asked and how long it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json, load_yaml
from segkit.runs.folder import FINISHED, FREE, RunFolder
from segkit.studies.naming import told_apart
from segkit.studies.progress import rows_of
from segkit.studies.study import is_study, read_study

UNTOLD = (*FREE, "name", "plan.measure")  # words that say nothing of what a run learns


@dataclass(frozen=True)
class FoundRun:
    """A run, or a folder of scores that some other program's masks were given.

    Attributes:
        name: tells it from the others of its study.
        folder: where it lies.
        choices: key -> value of the words that it was started with.
        state: of a study's trial, as the study says; of others, as their `status.json` says.
        data: name of its data set; empty where nobody knows.
    """

    name: str
    folder: RunFolder
    choices: Mapping[str, str]
    state: str
    data: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether there is something to compare."""
        return self.state == FINISHED


def holds_runs(path: Path) -> bool:
    """Say whether a folder is a study, or holds runs and is none itself."""
    return is_study(path) or (not RunFolder(path).is_run and any(_runs_below(path)))


def runs_in(study: Path) -> list[FoundRun]:
    """Return the runs of a study, in its order; of a folder of runs, by name.

    Raises:
        DataError: when the study's list cannot be read.
    """
    if not is_study(study):
        return [found_run(path) for path in _runs_below(study)]
    return [_trial(study, row) for row in read_study(study).rows.values()]


def found_run(path: Path) -> FoundRun:
    """Return a run folder, or a folder with a `cases.csv`, which counts as finished.

    Raises:
        DataError: when it is neither.
    """
    folder = RunFolder(path)
    if folder.is_run:
        words = load_yaml(folder.overrides) if folder.overrides.is_file() else []
        state = str(status_of(folder).get("state", "unknown"))
        return FoundRun(path.name, folder, choices_of(words), state, data_of(folder))
    if (path / "cases.csv").is_file():
        return FoundRun(path.name, folder, {}, FINISHED)
    raise DataError(f"{path} is no run, no study and no folder of scores: it has no config.yaml and no cases.csv")


def found_runs(paths: Sequence[Path]) -> list[FoundRun]:
    """Return the runs at several places, studies taken apart; names that several have get their folders' before them.

    Raises:
        DataError: when a place is none of these.
    """
    runs = [run for path in paths for run in (runs_in(path) if holds_runs(path) else [found_run(path)])]
    unique = {run.folder.path: run for run in runs}
    return [replace(run, name=name) for run, name in zip(unique.values(), told_apart(list(unique)), strict=True)]


def choices_of(words: Any) -> dict[str, str]:
    """Return key -> value of overrides, without those that do not change what a run learns."""
    listed = words if isinstance(words, list) else []
    pairs = (word.lstrip("+~").partition("=") for word in listed if isinstance(word, str))
    return {key: value for key, _, value in pairs if key and not is_among(key, UNTOLD)}


def data_of(folder: RunFolder) -> str:
    """Return the name of a run's data set; empty where its config does not tell."""
    data = folder.read_config().get("data")
    return str(data.get("name") or "") if isinstance(data, Mapping) else ""


def hours_of(folder: RunFolder) -> float | None:
    """Return how long a run trained: as its status says, or its last step; None where neither does."""
    seconds = status_of(folder).get("seconds")
    if not isinstance(seconds, int | float):
        seconds = next((row["seconds"] for row in reversed(rows_of(folder.metrics)) if "seconds" in row), None)
    return None if seconds is None else seconds / 3600


def status_of(folder: RunFolder) -> Mapping[str, Any]:
    """Return what `status.json` says; nothing where it does not exist."""
    status = load_json(folder.status) if folder.status.is_file() else None
    return status if isinstance(status, Mapping) else {}


def _trial(study: Path, row: Mapping[str, Any]) -> FoundRun:
    folder = RunFolder(study / row["name"])  # a study that was moved has its runs beside its list all the same
    state = FINISHED if folder.is_finished else str(row.get("state", "waiting"))
    return FoundRun(row["name"], folder, choices_of(row.get("overrides")), state, str(row.get("data") or ""))


def _runs_below(path: Path) -> Iterable[Path]:
    return sorted(child.parent for child in path.glob("*/config.yaml")) if path.is_dir() else ()


def is_among(key: str, names: Iterable[str]) -> bool:
    """Say whether a key is one of some, or lies in the section that one of them is."""
    return any(key == name or key.startswith(f"{name}.") for name in names)
