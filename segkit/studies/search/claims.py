"""Who works on a trial, whether they still live, and how a trial passes from a dead worker to the next."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from segkit.foundation.console import say
from segkit.runs.ensemble import is_folder_name

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

WORKER, SEEN, RUN, RETRY, REPLACED, REASON = "worker", "seen", "run", "retry", "replaced", "reason"
HEARTBEAT = 30.0  # seconds between two signs of life
SILENCE = 300.0  # seconds after which a worker on another machine counts as dead
_CLAIMING = 60.0  # seconds that a worker may take between asking for a trial and signing it


def me() -> dict[str, Any]:
    """Return what tells this process from every other, past ones included."""
    import psutil

    return {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def run_of(trial: Trial | FrozenTrial) -> str | None:
    """Return the name of a trial's run folder; None where none, or none of the study, is named."""
    name = trial.user_attrs.get(RUN)
    return name if is_folder_name(name) else None


def claim(trial: Trial, worker: dict[str, Any]) -> None:
    """Sign a trial."""
    trial.set_user_attr(WORKER, worker)
    give_sign_of_life(trial)


def give_sign_of_life(trial: Trial) -> None:
    """Note that its worker lives."""
    trial.set_user_attr(SEEN, time.time())


def is_abandoned(trial: FrozenTrial, now: float | None = None) -> bool:
    """Say whether a running trial's worker is dead.

    On this machine that is known at once; a worker on another one is dead when it was silent for some minutes.

    Args:
        trial: as the storage has it.
        now: seconds since the epoch; None: this moment.
    """
    now = time.time() if now is None else now
    worker = trial.user_attrs.get(WORKER)
    if not isinstance(worker, dict):
        started = trial.datetime_start or datetime.fromtimestamp(0)
        return now - started.timestamp() > _CLAIMING
    if worker.get("host") != socket.gethostname():
        return now - float(trial.user_attrs.get(SEEN, 0.0)) > SILENCE
    return not _lives(int(worker["pid"]), float(worker["started"]))


def _lives(pid: int, started: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        # A number is given again; a dead child that nobody asked for keeps its own.
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def revive(study: Study) -> None:
    """Enqueue the trials of dead workers again; their trainings go on from their last checkpoints."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if is_abandoned(trial):
            say(f"trial {trial.number:03d} is taken up again: its worker is gone")
            hand_back(study, trial, reason="its worker was gone", retry=int(trial.user_attrs.get(RETRY, 0)))


def hand_back(study: Study, trial: FrozenTrial, *, reason: str, retry: int) -> None:
    """End a running trial as failed, and enqueue its settings as a new one that goes on with its run folder.

    Args:
        study: of the trial.
        trial: as the storage has it.
        reason: why.
        retry: how often it was tried again because it was killed itself.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    try:
        study._storage.set_trial_user_attr(trial._trial_id, REASON, reason)
        study._storage.set_trial_user_attr(trial._trial_id, REPLACED, value=True)
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, UpdateFinishedTrialError):
        return  # another worker was faster
    if trial.params:  # killed before anything was drawn: there is nothing to repeat
        inherited = {RETRY: retry, **({RUN: trial.user_attrs[RUN]} if RUN in trial.user_attrs else {})}
        study.enqueue_trial(trial.params, user_attrs=inherited)
