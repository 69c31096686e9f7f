"""What a search leaves beside its trials: study.json for `segkit compare`, trials.csv for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.search import Space, word
from segkit.foundation.files import atomic_file, write_json
from segkit.foundation.locks import lock
from segkit.studies.search import workers
from segkit.studies.search.storage import objectives_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STUDY_FILE, TRIALS_FILE = "study.json", "trials.csv"
_STATES = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running", "WAITING": "waiting"}


def write_records(study: Study, folder: Path, space: Space) -> None:
    """Write how every trial of every worker stands.

    Args:
        study: Optuna's.
        folder: of the study.
        space: what it varies.
    """
    names = objectives_of(study)
    with lock(folder / ".records.lock", doing="writing how the trials stand"):
        trials = study.get_trials(deepcopy=False)
        rows = [_row(trial, space, names) for trial in trials]
        best = [trial.number for trial in best_trials(study)]
        write_json(folder / STUDY_FILE, {"trials": [_entry(t, folder, space) for t in trials], "best": best})
        with atomic_file(folder / TRIALS_FILE) as path, path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(_columns(space, names)), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def best_trials(study: Study) -> list[FrozenTrial]:
    """Return the finished trials that no other one beats in every objective, the highest Dice first."""
    from optuna.trial import TrialState

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return []
    if len(study.directions) == 1:
        return [study.best_trial]
    return sorted(study.best_trials, key=lambda trial: -trial.values[0])


def _columns(space: Space, names: Sequence[str]) -> Sequence[str]:
    return ("number", "state", *names, *(["seconds"] if "seconds" not in names else []), *space, "run", "reason")


def _row(trial: FrozenTrial, space: Space, names: Sequence[str]) -> dict[str, Any]:
    attributes = trial.user_attrs
    row = {"number": trial.number, "state": _STATES[trial.state.name], "seconds": attributes.get("seconds", "")}
    row |= dict(zip(names, trial.values or (), strict=False))
    row |= {key: trial.params.get(key, "") for key in space}
    return row | {"run": attributes.get(workers.RUN, ""), "reason": attributes.get(workers.REASON, "")}


def _entry(trial: FrozenTrial, folder: Path, space: Space) -> dict[str, Any]:
    attributes, run = trial.user_attrs, trial.user_attrs.get(workers.RUN)
    return {
        "name": run,
        "run": folder / run if run else None,
        "overrides": [word(key, trial.params[key]) for key in space if key in trial.params],
        "state": _STATES[trial.state.name],
        "seconds": attributes.get("seconds"),
        "reason": attributes.get(workers.REASON),
    }
