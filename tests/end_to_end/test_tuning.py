"""A search by two workers, one of which is killed."""

import csv
import time
from pathlib import Path

import pytest

PATIENCE = 240  # seconds, for a machine with much else to do

optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install 'segkit[tune]'")


def wait_for_step(study: Path, number: int, step: int, *processes) -> Path:
    """Return the run folder of a trial as soon as its metrics.csv shows a step."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for metrics in study.glob(f"{number:03d},*/metrics.csv"):
            if f"\n{step}," in metrics.read_text():
                return metrics.parent
        for process in processes:
            assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    raise AssertionError(f"trial {number} never showed step {step}")


def plainly_loaded(study: Path) -> optuna.Study:
    """Load it as anybody would who knows Optuna alone."""
    backend = optuna.storages.journal.JournalFileBackend(str(study / "journal.log"))
    return optuna.load_study(study_name=study.name, storage=optuna.storages.JournalStorage(backend))


def worker_of(study: Path, number: int) -> int:
    return plainly_loaded(study).trials[number].user_attrs["worker"]["pid"]


def test_a_worker_is_killed_and_the_other_takes_its_trial_up(segkit, ball_options):
    study = segkit.folder / "study"
    words = (
        "tune", *ball_options, "training.fold=0", "training.steps=20", "training.validate_every=10",
        "training.checkpoint_every=2", "augmentation=none", "inference.mirror=none", "sweep=learning_rate",
        "sweep.trials=2", "sweep.sampler=random", "sweep.pruner=none", "study.score=false", "output=study",
    )  # fmt: skip
    first, second = segkit.start(*words), segkit.start(*words)
    killed_run = wait_for_step(study, 0, 3, first, second)
    number = worker_of(study, 0)
    killed, other = (first, second) if number == first.pid else (second, first)
    killed.kill()
    killed.communicate()
    out, err = other.communicate(timeout=PATIENCE)
    assert other.returncode == 0, err
    assert "trial 000 is taken up again: its worker is gone" in out
    assert f"goes on in {killed_run.name}" in out
    again = segkit(*words)  # finished: nothing is trained
    assert "started" not in again.stdout

    found = plainly_loaded(study)
    assert sorted(trial.state.name for trial in found.trials) == ["COMPLETE", "COMPLETE", "FAIL"]
    repeated = next(trial for trial in found.trials if trial.user_attrs.get("run") == killed_run.name and trial.value)
    assert repeated.params == found.trials[0].params
    assert set(repeated.intermediate_values) == {1, 2}
    with (killed_run / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["loss"]]
    assert steps == list(range(1, 21))
    assert f"best: trial {found.best_trial.number:03d}" in again.stdout
    with (study / "trials.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["finished", "finished"]
