"""Trainings and cohorts by each launcher: the same weights, masks, prepared cases and scores, bit for bit."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from segkit.foundation.files import read_json
from tests.studies.slurm_cluster import cluster, missing

HERE = Path(__file__).parent  # of faults.py
SWEEP = ("training.steps=3", "seed=7,8")
RAY = ("launcher=ray", "launcher.parallel=2")


@pytest.fixture(scope="session")
def local_study(uninterrupted_line, ball_options) -> Path:
    """Two trainings by the local launcher."""
    uninterrupted_line("train", "-m", *ball_options, *SWEEP, "launcher.cores=1", "output=by_local")
    return uninterrupted_line.folder / "by_local"


@pytest.fixture(scope="module")
def scans(local_study, balls) -> tuple[str, ...]:
    """What segments every scan; slowly, so that a worker can be killed amid it."""
    return (
        "predict", f"run={local_study / 'seed=7'}", f"input={balls / 'images'}", "inference.overlap=0.9",
        "inference.precision=32",
    )  # fmt: skip


@pytest.fixture(scope="module")
def masks(uninterrupted_line, scans) -> dict[str, bytes]:
    """Masks by one process on this machine."""
    uninterrupted_line(*scans, "output=masks_by_one")
    return masks_in(uninterrupted_line.folder / "masks_by_one")


@pytest.fixture
def ray_line(segkit):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'segkit[ray]'")
    segkit.environment["RAY_USAGE_STATS_ENABLED"] = "0"
    return segkit


def weights(study: Path) -> dict[str, bytes]:
    trials = read_json(study / "study.json")["trials"]
    assert [trial["state"] for trial in trials] == ["finished", "finished"]
    return {each["name"]: (study / each["name"] / "model" / "weights.safetensors").read_bytes() for each in trials}


def masks_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.nii.gz"))}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def files_in(folder: Path) -> dict[str, bytes]:
    """Return what a cache holds; locks and times of use, which say nothing of the cases, aside."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "used.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if path.suffix != ".lock"}


def test_slurm_trains_the_same_weights_also_when_a_jobs_time_is_nearly_up(
    segkit, ball_options, local_study, tmp_path_factory
):
    if missing():
        pytest.skip(missing())
    pytest.importorskip("submitit", reason="submitit is not installed: pip install 'segkit[slurm]'")
    segkit.environment["PYTHONPATH"] = os.pathsep.join([str(HERE), segkit.environment.get("PYTHONPATH", "")])
    slow = ("+callbacks.fault._target_=faults.Fault", "+callbacks.fault.pause=2", "+callbacks.fault.raise_after=99")
    own = ("launcher=slurm", "launcher.gpus=0", "launcher.cores=1", "launcher.time=10min", "output=study")
    run = segkit.folder / "study" / "seed=8"
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        segkit.environment |= environment
        study = segkit.start("train", "-m", *ball_options, *SWEEP, *slow, *own)
        wait_for(lambda: (run / "metrics.csv").exists() and "\n1," in (run / "metrics.csv").read_text(), study)
        # What Slurm itself sends 90 s before the end of the ten minutes.
        subprocess.run(["scancel", "--signal=USR2", "--name=segkit seed=8"], env=segkit.environment, check=True)
        out, err = study.communicate(timeout=280)
    assert study.returncode == 0, out + err
    printed = (segkit.folder / "study" / "configs" / "seed=8" / "output.txt").read_text()
    assert "stopped; the same command goes on" in printed
    assert weights(segkit.folder / "study") == weights(local_study)


def test_ray_trains_the_same_weights(ray_line, ball_options, local_study):
    ray_line("train", "-m", *ball_options, *SWEEP, "launcher=ray", "output=study")
    assert weights(ray_line.folder / "study") == weights(local_study)


def test_jobs_on_this_machine_make_the_masks_of_one_process(segkit, scans, masks):
    own = ("launcher=local", "launcher.parallel=2", "launcher.cores=1", "launcher.memory=1MB")
    said = segkit(*scans, *own, "output=masks").stdout
    folder = segkit.folder / "masks"
    assert masks_in(folder) == masks
    assert "8 scans, divided into 2 jobs" in said
    assert not (folder / ".jobs").exists()


def test_a_killed_worker_of_ray_loses_no_mask(ray_line, scans, masks):
    folder = ray_line.folder / "masks"
    process = ray_line.start(*scans, *RAY, "output=masks")
    wait_for(lambda: any(folder.glob("*.nii.gz")), process)
    first = {path: path.stat().st_mtime_ns for path in folder.glob("*.nii.gz")}
    workers = [
        each for each in psutil.Process(process.pid).children(recursive=True)
        if (each.cmdline() or [""])[0].startswith("ray::masks_")
    ]  # fmt: skip
    assert len(workers) == 2
    for worker in workers:
        worker.kill()
    assert len(masks_in(folder)) < len(masks)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert masks_in(folder) == masks
    assert {path: path.stat().st_mtime_ns for path in first} == first


@pytest.mark.usefixtures("masks")
def test_ray_prepares_and_scores_as_this_machine_does(ray_line, ball_options, balls, uninterrupted_line):
    caches = [ray_line.folder / name for name in ("here", "there")]
    for cache, own in zip(caches, ((), RAY), strict=True):
        ray_line("prepare", *ball_options[:4], f"paths.cache={cache}", "workers=2", *own)
    assert files_in(caches[1]) == files_in(caches[0])
    pairs = (f"predictions={uninterrupted_line.folder / 'masks_by_one'}", f"references={balls / 'labels'}")
    for name, own in (("scores", ()), ("scores_by_ray", RAY)):
        ray_line("evaluate", *pairs, f"output={name}", "workers=2", "bootstrap.resamples=100", *own)
    assert files_in(ray_line.folder / "scores_by_ray") == files_in(ray_line.folder / "scores")
