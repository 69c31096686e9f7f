"""The local launcher: one process a trial."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from segkit.studies import local
from segkit.studies.trial import Result, Trial


def trial(name: str) -> Trial:
    return Trial(name, Path(f"{name}.yaml"), Path(name), ())


def press_ctrl_c_when(ready: Path) -> None:
    """Interrupt this process as soon as a file exists."""

    def press() -> None:
        while not ready.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()


@pytest.fixture
def as_python(monkeypatch):
    """Trials run the Python text that stands in their name."""
    monkeypatch.setattr(local, "training_command", lambda trial: [sys.executable, "-c", trial.name])


def test_trials_run_one_after_another_whatever_becomes_of_them(as_python, tmp_path, capsys):
    log = tmp_path / "log"
    texts = [f"open({str(log)!r}, 'a').write('{n}'); import sys; sys.exit({n})" for n in (0, 4, 0)]
    texts.append("import os; os.kill(os.getpid(), 9)")
    results = list(local.launch([trial(text) for text in texts]))
    assert [result.exit_code for result in results] == [0, 4, 0, -9]
    assert [result.state for result in results] == [
        "finished",
        "failed with exit code 4",
        "finished",
        "killed by signal 9",
    ]
    assert log.read_text() == "040"
    assert "trial 2 of 4: " in capsys.readouterr().out


def test_stopping_the_sweep_stops_the_trial_once_and_lets_it_save(as_python, tmp_path):
    ready, saved = tmp_path / "ready", tmp_path / "saved"
    text = f"""
import signal, time, pathlib
def stop(*_):
    pathlib.Path({str(saved)!r}).write_text("saved")
    raise SystemExit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""

    press_ctrl_c_when(ready)
    with pytest.raises(KeyboardInterrupt):
        list(local.launch([trial(text), trial("never")]))
    assert saved.read_text() == "saved"


def test_a_trial_that_will_not_stop_is_killed(as_python, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "GRACE", 0.2)
    ready, number = tmp_path / "ready", tmp_path / "number"
    text = f"""
import os, signal, time, pathlib
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(number)!r}).write_text(str(os.getpid()))
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""

    press_ctrl_c_when(ready)
    with pytest.raises(KeyboardInterrupt):
        list(local.launch([trial(text)]))
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_the_command_is_a_fresh_segkit_on_the_composed_config():
    command = local.training_command(trial("a"))
    assert command[0] == sys.executable
    assert command[-5:] == ["-m", "segkit", "train", "--config", "a.yaml"]


def test_states():
    assert Result(trial("a"), 0, 1.0).is_success
    assert Result(trial("a"), -15, 1.0).state == "killed by signal 15"
