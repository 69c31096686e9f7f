"""Trials as jobs of Slurm and tasks of Ray, with Python texts in the place of trainings."""

import sys

import pytest

from segkit.foundation.errors import UsageError
from segkit.foundation.parallel import KILLED, parallel_map
from segkit.studies import ray_cluster, slurm
from segkit.studies.engine import Engine
from segkit.studies.launching import cases_spread
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
