"""What runs a trial on a machine of a cluster."""

import signal
import sys
from pathlib import Path

import pytest

from segkit.studies.remote import RemoteTrial, noted_exit_code
from segkit.studies.resources import Share
from segkit.studies.trial import Trial


@pytest.fixture
def trial(tmp_path) -> Trial:
    return Trial("a", tmp_path / "a" / "config.yaml", tmp_path / "run", ())


def remote(trial: Trial, text: str) -> RemoteTrial:
    trial.output.parent.mkdir(exist_ok=True)
    return RemoteTrial(
        [sys.executable, "-c", text], trial.output, trial.config.with_name("exit.json"), Share(3), grace=20
    )


def test_it_runs_and_its_exit_code_is_noted(trial):
    assert noted_exit_code(trial) is None
    text = "import os, sys; print(os.environ['OMP_NUM_THREADS']); sys.exit(4)"
    assert remote(trial, text)() == 4
    assert noted_exit_code(trial) == 4
    assert trial.output.read_text() == "3\n"


def test_when_its_time_is_nearly_up_it_saves_its_state_and_goes_on_elsewhere(trial, tmp_path, monkeypatch):
    submitit_helpers = pytest.importorskip("submitit.helpers")
    ready, saved = tmp_path / "ready", tmp_path / "saved"
    text = f"""
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path({str(saved)!r}).touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""
    one, handed_over = remote(trial, text), []

    def as_submitit_does(*_: object) -> None:
        if ready.exists():
            handed_over.append(one.checkpoint())
            raise SystemExit

    before = signal.signal(signal.SIGALRM, as_submitit_does)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.1)
    try:
        with pytest.raises(SystemExit):
            one()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert saved.exists()
    assert noted_exit_code(trial) is None
    (again,) = handed_over
    assert isinstance(again, submitit_helpers.DelayedSubmission)
    assert again.function.command == one.command
    assert again.function.process is None


def test_what_came_to_its_end_when_its_time_was_nearly_up_does_not_go_on(trial, tmp_path):
    pytest.importorskip("submitit")
    ready = tmp_path / "ready"
    text = f"""
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""
    one = remote(trial, text)
    handed_over = []

    def as_submitit_does(*_: object) -> None:
        if ready.exists():
            handed_over.append(one.checkpoint())

    before = signal.signal(signal.SIGALRM, as_submitit_does)
    signal.setitimer(signal.ITIMER_REAL, 0.2, 0.1)
    try:
        assert one() == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert set(handed_over) == {None}
    assert noted_exit_code(trial) == 0


def test_signals_to_all_processes_of_a_job_do_not_end_its_training(trial, tmp_path):
    ready = tmp_path / "ready"
    text = f"import os, pathlib, signal; os.kill(os.getpid(), signal.SIGUSR2); pathlib.Path({str(ready)!r}).touch()"
    assert remote(trial, text)() == 0
    assert ready.exists()
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


def test_it_is_not_stopped_before_it_runs(trial):
    remote(trial, "").stop()
    assert not Path(trial.output).exists()
