"""Trials as jobs of Slurm and tasks of Ray, with Python texts in the place of trainings."""

import sys

import pytest

from segkit.foundation.errors import UsageError
from segkit.foundation.parallel import KILLED, parallel_map
from segkit.studies import ray_cluster, slurm
from segkit.studies.engine import Engine
from segkit.studies.launching import cases_spread
from segkit.studies.remote import exit_file
from segkit.studies.trial import Trial
from tests.studies.slurm_cluster import cluster, missing

SAVES = """
import pathlib, signal, sys, time
def stop(*_):
    pathlib.Path({saved!r}).touch()
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
pathlib.Path({ready!r}).touch()
time.sleep(60)
"""


@pytest.fixture
def slurm_launcher(tmp_path_factory, monkeypatch):
    if missing():
        pytest.skip(missing())
    pytest.importorskip("submitit")
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(slurm, "ASK_SECONDS", 0.2)
        yield lambda: slurm.SlurmLauncher(time="10min")


@pytest.fixture
def ray_launcher(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    return lambda: ray_cluster.RayLauncher(cores=1)


@pytest.mark.parametrize("kind", ["slurm", "ray"])
def test_trials_end_as_their_processes_do_and_are_stopped_in_good_order(kind, request, tmp_path, monkeypatch):
    launcher = request.getfixturevalue(f"{kind}_launcher")()
    ready, saved = tmp_path / "ready", tmp_path / "saved"
    texts = {
        "good": "print('hello')",
        "bad": "print('error: no root'); import sys; sys.exit(4)",
        "killed": "import os; os.kill(os.getpid(), 9)",
        "long": SAVES.format(saved=str(saved), ready=str(ready)),
    }
    module = {"slurm": slurm, "ray": ray_cluster}[kind]
    monkeypatch.setattr(module, "command_of", lambda trial: [sys.executable, "-c", texts[trial.name]])
    trials = {name: Trial(name, tmp_path / "configs" / name / "config.yaml", tmp_path / name, ()) for name in texts}
    for trial in trials.values():
        trial.output.parent.mkdir(parents=True)
    with Engine(launcher) as engine:
        results = {result.trial.name: result for result in engine.run([trials[n] for n in ("good", "bad", "killed")])}
        engine.submit(trials["long"])
        while not ready.exists():
            assert engine.wait(0.1) == []
        engine.stop("long", because="pruned")
        (stopped,) = engine.wait(60)
    assert [results[name].exit_code for name in ("good", "bad", "killed")] == [0, 4, -9]
    assert results["bad"].reason == "no root"
    assert trials["good"].output.read_text() == "hello\n"
    assert saved.exists()
    assert (stopped.state, stopped.reason) == ("stopped", "pruned")


@pytest.fixture
def submitted(monkeypatch, tmp_path):
    """A launcher whose commands are answered by a function, and a trial whose folder says that it was submitted."""
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm.shutil, "which", lambda _: "/usr/bin/sbatch")
    monkeypatch.setattr(slurm, "ASK_SECONDS", 0.0)
    trial = Trial("a", tmp_path / "configs" / "a" / "config.yaml", tmp_path / "a", ())
    (trial.config.parent / "slurm").mkdir(parents=True)

    def launcher(answer):
        monkeypatch.setattr(slurm.Queue, "ask", lambda _, *command: answer(command))
        return slurm.SlurmLauncher()

    return launcher, trial


def test_a_job_of_a_study_that_was_killed_is_followed_and_not_submitted_again(submitted):
    launcher, trial = submitted
    listed = f"8 /elsewhere/slurm/x.sh\n7 {trial.config.parent}/slurm/submission_file_1.sh\n"
    job = launcher(lambda command: listed if "--format=%i %o" in command else "7 RUNNING None\n").start(trial)
    assert (job.number, job.exit_code()) == ("7", None)


def test_a_note_that_comes_into_sight_late_counts_and_one_that_never_does_is_a_killed_job(submitted, monkeypatch):
    launcher, trial = submitted
    queue = launcher(lambda command: "").queue
    queue.add("7")
    job, lost = slurm.SlurmJob("7", trial, queue), slurm.SlurmJob("8", trial, queue)
    assert (job.exit_code(), lost.exit_code()) == (None, None)  # it has left the queue, and nothing is seen of it
    now = slurm.time.monotonic()
    monkeypatch.setattr(slurm.time, "monotonic", lambda: now + slurm.NOTE_SECONDS + 1)
    assert lost.exit_code() == -9
    exit_file(trial).write_text('{"exit_code": 0}')
    assert job.exit_code() == 0
    exit_file(trial).unlink()
    assert (job.exit_code(), lost.exit_code()) == (0, -9)  # and is not asked for again
    cancelled = slurm.SlurmJob("9", trial, queue)
    cancelled.stop()
    assert cancelled.exit_code() == -9


def test_a_trial_that_a_worker_of_ray_cannot_begin_says_why(monkeypatch, tmp_path):
    ray = pytest.importorskip("ray")
    from ray.exceptions import RayTaskError

    def get(_):
        raise RayTaskError("run_on_worker", "Traceback", FileNotFoundError("no such folder: /study"))

    monkeypatch.setattr(ray, "wait", lambda references, timeout: (references, []))
    monkeypatch.setattr(ray, "get", get)
    trial = Trial("a", tmp_path / "config.yaml", tmp_path / "a", ())
    job = ray_cluster.RayJob("reference", trial)
    assert [job.exit_code(), job.exit_code()] == [1, 1]
    assert trial.output.read_text() == "error: on a worker of Ray: FileNotFoundError: no such folder: /study\n"


def test_slurm_where_there_is_none(monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm.shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match="there is no sbatch here"):
        slurm.SlurmLauncher()


def test_a_job_of_slurm_is_longer_than_saving_takes(monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm.shutil, "which", lambda _: "/usr/bin/sbatch")
    with pytest.raises(UsageError, match=r"launcher\.time=2min: .* pass 5min or more"):
        slurm.SlurmLauncher(time="2min")


def test_slurm_is_told_into_how_many_jobs_scans_are_divided(monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(slurm.shutil, "which", lambda _: "/usr/bin/sbatch")
    assert slurm.SlurmLauncher(parallel=3).places() == 3
    with pytest.raises(UsageError, match=r"launcher\.parallel is not set"):
        slurm.SlurmLauncher().places()


def test_cases_on_ray_outlive_their_workers(ray_launcher, tmp_path):
    dies = "__import__('os').kill(__import__('os').getpid(), 9)"
    seen = str(tmp_path / "seen")
    dies_once = f"__import__('os').path.exists({seen!r}) or (open({seen!r}, 'w'), {dies})"
    options = {"_target_": "segkit.studies.ray_cluster.RayLauncher", "cores": 1, "retries": 1}
    with cases_spread(options):
        outcomes = {o.item: o for o in parallel_map(eval, ["1 + 1", "1 / 0", dies_once, dies], bytes_each=10**15)}
    assert outcomes["1 + 1"].value == 2
    assert outcomes["1 / 0"].error == "ZeroDivisionError: division by zero"
    assert outcomes[dies_once].value is True
    assert outcomes[dies].error == KILLED


@pytest.mark.parametrize("options", [None, {"_target_": "segkit.studies.local.LocalLauncher"}])
def test_cases_stay_on_this_machine_unless_a_launcher_takes_them(options):
    with cases_spread(options):
        assert [outcome.value for outcome in parallel_map(eval, ["1", "2"], workers=1)] == [1, 2]
