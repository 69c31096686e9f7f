"""What a search leaves beside its trials: study.json as every study has it, trials.csv for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.search import Space, word
from segkit.foundation.files import atomic_file, write_json
from segkit.foundation.locks import lock
from segkit.studies.search import claims
from segkit.studies.search.storage import objectives_of
from segkit.studies.study import STUDY_FILE

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

TRIALS_FILE = "trials.csv"
_STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


@dataclass(frozen=True)
class Records:
    """Writes how every trial of every worker stands.

    Attributes:
        folder: of the study.
        space: what it varies.
        words: what every training has in common.
        command: what was typed, without passwords.
        dataset: the name of the data set.
    """

    folder: Path
    space: Space
    words: Sequence[str]
    command: Mapping[str, Any]
    dataset: str

    def write(self, study: Study) -> None:
        """Write study.json and trials.csv."""
        with lock(self.folder / ".records.lock", doing="writing how the trials stand"):
            trials = counted(study.get_trials(deepcopy=False))
            # What waits has no folder yet, and may have no settings.
            entries = [self._entry(trial, run) for trial in trials if (run := claims.run_of(trial))]
            best = [claims.run_of(trial) for trial in best_trials(study)]
            write_json(self.folder / STUDY_FILE, {"command": self.command, "trials": entries, "best": best})
            self._write_table(trials, objectives_of(study))

    def _write_table(self, trials: Sequence[FrozenTrial], objectives: Sequence[str]) -> None:
        seconds = [] if "seconds" in objectives else ["seconds"]
        columns = ["number", "state", *objectives, *seconds, *self.space, "run", "reason"]
        with atomic_file(self.folder / TRIALS_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
            writer.writeheader()
            writer.writerows(self._row(trial, objectives) for trial in trials)

    def _row(self, trial: FrozenTrial, objectives: Sequence[str]) -> dict[str, Any]:
        known: dict[str, Any] = {
            name: trial.user_attrs[name] for name in ("seconds", "run", "reason") if name in trial.user_attrs
        }
        values = dict(zip(objectives, trial.values or (), strict=False))
        settings = {key: trial.params[key] for key in self.space if key in trial.params}
        return {"number": trial.number, "state": state_of(trial), **known, **values, **settings}

    def _entry(self, trial: FrozenTrial, name: str) -> dict[str, Any]:
        attributes, run = trial.user_attrs, self.folder / name
        swept = [word(key, trial.params[key]) for key in self.space if key in trial.params]
        courses = list(trial.intermediate_values.values())
        return {
            "name": name,
            "run": run,
            "overrides": [*self.words, *swept, f"output={run}"],
            "swept": swept,
            "data": self.dataset,
            "state": state_of(trial),
            "seconds": attributes.get("seconds"),
            "reason": attributes.get(claims.REASON),
            "dice": trial.values[0] if trial.values else None,
            "best_dice": max(courses, default=None),
        }


def state_of(trial: FrozenTrial) -> str:
    """Return how a trial stands: `finished`, `pruned`, `failed`, `running` or `waiting`."""
    return _STATES[trial.state.name]


def counted(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that count against how many there shall be: all but those that another one took up again."""
    return [trial for trial in trials if not trial.user_attrs.get(claims.REPLACED)]


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the finished trials that no other one beats in every objective, the highest Dice first."""
    from optuna.trial import TrialState

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    return sorted(study.best_trials, key=lambda trial: -trial.values[0])
