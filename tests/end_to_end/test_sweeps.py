"""A sweep that meets everything that a night has in store, and goes on."""

import os
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from segkit.foundation.files import read_json

FAULTS = Path(__file__).with_name("faults.py")
PATIENCE = 240  # seconds, for a machine with much else to do


@pytest.fixture
def sweep_words(segkit, ball_options):
    """What starts three trainings of which one raises; the others are the same training under two names."""
    (segkit.folder / "own").mkdir()
    shutil.copy(FAULTS, segkit.folder / "own")
    before = segkit.environment.get("PYTHONPATH")
    segkit.environment["PYTHONPATH"] = os.pathsep.join([str(segkit.folder / "own"), *([before] if before else [])])
    return (
        *ball_options, "training.steps=8", "training.checkpoint_every=2", "+callbacks.fault._target_=faults.Fault",
        "+callbacks.fault.pause=0.2", "+callbacks.fault.raise_after=3,98,99", "launcher.parallel=2",
    )  # fmt: skip


def states(study: Path) -> list[str]:
    return [trial["state"] for trial in read_json(study / "study.json")["trials"]]


def until(condition, process) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def process_of(study, name: str) -> psutil.Process:
    found = [
        each for each in psutil.Process(study.pid).children() if any(f"{name}/" in word for word in each.cmdline())
    ]
    return found[0]


def is_at_step(run: Path, step: int) -> bool:
    metrics = run / "metrics.csv"
    return metrics.exists() and f"\n{step}," in metrics.read_text()


def test_a_study_outlives_a_run_that_raises_one_that_is_killed_and_its_own_death(segkit, sweep_words):
    study = segkit.folder / "study"
    name = "callbacks.fault.raise_after={}".format
    runs = {number: study / name(number) for number in (3, 98, 99)}
    process = segkit.start("train", "-m", *sweep_words, "output=study")
    until(lambda: is_at_step(runs[98], 4), process)
    process_of(process, name(98)).kill()
    until(lambda: is_at_step(runs[99], 3), process)
    orphan = process_of(process, name(99))
    process.kill()
    process.communicate()
    psutil.wait_procs([orphan], timeout=PATIENCE)
    assert not orphan.is_running()
    assert read_json(runs[99] / "status.json")["state"] == "stopped"
    assert states(study) == ["failed with exit code 1", "killed by signal 9", "running"]

    refused = segkit("train", "-m", "study.resume=study", expect=2)
    assert "faults" in refused.stderr  # a study's configs are a stranger's until they are trusted
    done = segkit("train", "-m", "study.resume=study", "trust=[faults]", expect=1)
    assert "1 of 3 trials failed: " + name(3) in done.stderr
    assert "went up in smoke" in done.stderr
    assert states(study) == ["failed with exit code 1", "finished", "finished"]
    weights = [(runs[number] / "model" / "weights.safetensors").read_bytes() for number in (98, 99)]
    assert weights[0] == weights[1]
    assert not (runs[3] / "model").exists()

    again = segkit("train", "-m", "study.resume=study", "trust=[faults]", expect=1)
    assert "2 finished already" in again.stdout


def test_ctrl_c_stops_every_trial_and_says_how_to_go_on(segkit, ball_options):
    words = (*ball_options, "training.steps=100000", "seed=1,2", "launcher.parallel=2")
    process = segkit.start("train", "-m", *words, "output=study")
    runs = [segkit.folder / "study" / f"seed={seed}" for seed in (1, 2)]
    until(lambda: all(is_at_step(run, 2) for run in runs), process)
    trials = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"study.resume={segkit.folder / 'study'} goes on" in err
    assert not any(trial.is_running() for trial in trials)
    assert states(segkit.folder / "study") == ["stopped", "stopped"]
    assert all((run / "checkpoints" / "last.ckpt").is_file() for run in runs)
