"""One training by each launcher: the same weights."""

import pytest

from segkit.foundation.files import read_json
from tests.studies.slurm_cluster import cluster, missing


@pytest.fixture(scope="module")
def local_weights(uninterrupted_line, ball_options) -> bytes:
    words = (*ball_options, "training.steps=3", "seed=7", "launcher.cores=1", "output=by_local")
    uninterrupted_line("train", "-m", *words)
    return weights(uninterrupted_line.folder / "by_local")


def weights(study) -> bytes:
    (trial,) = read_json(study / "study.json")["trials"]
    assert trial["state"] == "finished"
    return (study / trial["name"] / "model" / "weights.safetensors").read_bytes()


def test_slurm_trains_the_same_weights(segkit, ball_options, local_weights, tmp_path_factory):
    if missing():
        pytest.skip(missing())
    own = ("launcher=slurm", "launcher.gpus=0", "launcher.cores=1", "launcher.time=10min", "output=study")
    with cluster(tmp_path_factory.mktemp("slurm")) as environment:
        segkit.environment |= environment
        segkit("train", "-m", *ball_options, "training.steps=3", "seed=7", *own)
    assert weights(segkit.folder / "study") == local_weights


def test_ray_trains_the_same_weights(segkit, ball_options, local_weights):
    pytest.importorskip("ray")
    segkit.environment["RAY_USAGE_STATS_ENABLED"] = "0"
    segkit("train", "-m", *ball_options, "training.steps=3", "seed=7", "launcher=ray", "output=study")
    assert weights(segkit.folder / "study") == local_weights
