"""The engine with the local launcher: one process a trial."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from segkit.foundation.errors import UsageError
from segkit.studies import engine as engine_module
from segkit.studies import local
from segkit.studies.engine import Engine
from segkit.studies.local import LocalLauncher
from segkit.studies.trial import Result, Trial


@pytest.fixture
def trial(tmp_path, monkeypatch):
    """Make a trial that runs the Python text given."""
    texts = {}
    monkeypatch.setattr(local, "command_of", lambda trial: [sys.executable, "-c", texts[trial.name]])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def make(text: str, name: str = "") -> Trial:
        name = name or f"trial{len(texts)}"
        texts[name] = text
        return Trial(name, tmp_path / "configs" / name / "config.yaml", tmp_path / name, ())

    return make


def when_there(ready: Path, act) -> None:
    """Do something in a thread as soon as a file exists."""

    def wait() -> None:
        while not ready.exists():
            time.sleep(0.01)
        act()

    threading.Thread(target=wait).start()


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


SAVES = """
import signal, time, pathlib
def stop(*_):
    pathlib.Path({saved!r}).write_text("saved")
    raise SystemExit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({ready!r}).touch()
time.sleep(60)
"""


def test_trials_run_one_after_another_whatever_becomes_of_them(trial, tmp_path):
    log = tmp_path / "log"
    texts = [f"open({str(log)!r}, 'a').write('{n}'); import sys; sys.exit({n})" for n in (0, 4, 0)]
    texts.append("import os; os.kill(os.getpid(), 9)")
    with Engine(LocalLauncher()) as engine:
        results = list(engine.run([trial(text) for text in texts]))
    assert [result.exit_code for result in results] == [0, 4, 0, -9]
    assert [result.state for result in results] == [
        "finished",
        "failed with exit code 4",
        "finished",
        "killed by signal 9",
    ]
    assert log.read_text() == "040"


def test_as_many_at_a_time_as_there_is_room_for(trial, tmp_path):
    # Each of the two waits for the other's sign of life, so neither could end alone, and for ours to end at all.
    meet = "open({mine!r}, 'w'); import time\nfrom os.path import exists\n"
    meet += f"while not (exists({{other!r}}) and exists({str(tmp_path / 'go')!r})): time.sleep(0.01)"
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with Engine(LocalLauncher(parallel=2, cores=1, memory="1MB")) as engine:
        engine.submit(trial(meet.format(mine=a, other=b)))
        assert engine.has_room()
        engine.submit(trial(meet.format(mine=b, other=a)))
        assert not engine.has_room()
        with pytest.raises(ValueError, match="every share"):
            engine.submit(trial(""))
        (tmp_path / "go").touch()
        codes = [result.exit_code for result in engine.run([])]
    assert codes == [0, 0]


def test_no_further_trial_starts_where_memory_would_not_do(trial, monkeypatch):
    monkeypatch.setattr(local, "available_memory", lambda: 10 * 10**9)
    with Engine(LocalLauncher(parallel=3, cores=1, memory="6GB")) as engine:
        assert engine.has_room()
        engine.submit(trial("import time; time.sleep(60)"))
        assert not engine.has_room()  # 10 GB are free, of which the first has not taken its 6 yet


def test_what_a_trial_prints_is_kept_and_its_last_error_is_the_reason(trial):
    one = trial("print('hello'); print('error: no root'); import sys; sys.exit(2)")
    for _ in range(2):
        with Engine(LocalLauncher()) as engine:
            (result,) = engine.run([one])
        assert result.reason == "no root"
    assert one.output.read_text().count("hello") == 2
    silent = trial("import sys; sys.exit(3)", name=one.name)  # what an earlier attempt said is no reason of this one
    with Engine(LocalLauncher()) as engine:
        (result,) = engine.run([silent])
    assert result.reason is None


def test_trials_are_watched_and_stopped_one_by_one(trial, tmp_path):
    texts = "import pathlib, time; pathlib.Path({metrics!r}).write_text({rows!r}); time.sleep(60)"
    rows = "step,seconds,loss,dice\n1,0.5,0.9,\n2,1.0,0.8,\n2,1.1,,0.25\n"
    (tmp_path / "a").mkdir()
    one = trial(texts.format(metrics=str(tmp_path / "a" / "metrics.csv"), rows=rows), name="a")
    with Engine(LocalLauncher()) as engine:
        engine.submit(one)
        while not engine.progress("a").validations:
            assert engine.wait(0.05) == []
        engine.stop("a", because="pruned")
        (result,) = engine.wait(30)
        assert not engine.running
    assert (result.exit_code, result.reason) == (-15, "pruned")
    assert (result.progress.step, result.progress.loss, result.progress.best_dice) == (2, 0.8, 0.25)


def test_stopping_the_study_stops_every_trial_once_and_lets_it_save(trial, tmp_path):
    saved, ready = [tmp_path / "saved0", tmp_path / "saved1"], [tmp_path / "ready0", tmp_path / "ready1"]
    texts = [SAVES.format(saved=str(s), ready=str(r)) for s, r in zip(saved, ready, strict=True)]
    when_there(ready[0], lambda: when_there(ready[1], press_ctrl_c))
    with pytest.raises(KeyboardInterrupt), Engine(LocalLauncher(parallel=2, cores=1, memory="1MB")) as engine:
        list(engine.run([*map(trial, texts), trial("never")]))
    assert [path.read_text() for path in saved] == ["saved", "saved"]


def test_a_trial_that_will_not_stop_is_killed(trial, tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "GRACE", 0.2)
    ready, number = tmp_path / "ready", tmp_path / "number"
    text = f"""
import os, signal, time, pathlib
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path({str(number)!r}).write_text(str(os.getpid()))
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""
    when_there(ready, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt), Engine(LocalLauncher()) as engine:
        list(engine.run([trial(text)]))
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_a_trial_whose_study_is_killed_saves_its_state_and_ends(tmp_path):
    saved, ready = tmp_path / "saved", tmp_path / "ready"
    child = "from segkit.foundation.tether import follow_parent; follow_parent()" + SAVES.format(
        saved=str(saved), ready=str(ready)
    )
    parent = f"""
import sys, pathlib
from segkit.studies import local
from segkit.studies.engine import Engine
from segkit.studies.trial import Trial
local.command_of = lambda trial: [sys.executable, "-c", {child!r}]
folder = pathlib.Path({str(tmp_path)!r})
with Engine(local.LocalLauncher()) as engine:
    list(engine.run([Trial("a", folder / "a.yaml", folder / "a", ())]))
"""
    study = subprocess.Popen([sys.executable, "-c", parent])
    while not ready.exists():
        time.sleep(0.01)
    study.kill()
    study.wait()
    deadline = time.monotonic() + 20
    while not saved.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert saved.exists()


def test_processes_of_a_trial_share_its_cores(trial):
    two = replace(trial("import os; print(os.environ['OMP_NUM_THREADS'])"), processes=2)
    with Engine(LocalLauncher(cores=4)) as engine:
        list(engine.run([two]))
    assert two.output.read_text() == "2\n"


def test_the_command_is_a_fresh_segkit_on_the_composed_config():
    command = local.command_of(Trial("a", Path("a.yaml"), Path("a"), ()))
    assert command[0] == sys.executable
    assert command[-5:] == ["-m", "segkit", "train", "--config", "a.yaml"]


def test_states():
    one = Trial("a", Path("a.yaml"), Path("a"), ())
    assert Result(one, 0, 1.0).is_success
    assert Result(one, -15, 1.0).state == "killed by signal 15"
    assert Result(one, 130, 1.0).state == "stopped"


def test_what_the_machine_does_not_have(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(UsageError, match=r"launcher\.gpus=3"):
        LocalLauncher(gpus=3)
    with pytest.raises(UsageError, match=r"launcher\.memory"):
        LocalLauncher(memory="much")
