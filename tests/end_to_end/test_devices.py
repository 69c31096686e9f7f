"""Two processes that share each batch train as one does, in a sweep and started by torchrun too."""

import csv

import pytest
from safetensors.torch import load_file

WORDS = ("training.steps=6", "plan.batch=4", "training.fold=0", "training.validate_every=3", "augmentation=light")
TORCHRUN = """
import sys
from torch.distributed.run import main
main(["--standalone", "--nproc-per-node=2", "-m", "segkit", *sys.argv[1:]])
"""


def losses(run) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]


def test_two_processes_have_the_loss_of_one_at_the_same_batch(segkit, ball_options):
    segkit("train", "-m", *ball_options, *WORDS, "training.devices=1,2", "study.score=false", "output=study")
    one, two = (segkit.folder / "study" / f"training.devices={count}" for count in (1, 2))
    assert len(losses(one)) == 6
    assert losses(two) == pytest.approx(losses(one), rel=1e-5)
    models = [load_file(run / "model" / "weights.safetensors") for run in (one, two)]
    assert models[0].keys() == models[1].keys()
    for name, weights in models[0].items():
        assert models[1][name].numpy() == pytest.approx(weights.numpy(), abs=1e-4)

    words = ("train", *ball_options, *WORDS, "plan.measure=false", "training.devices=2", "output=by_torchrun")
    segkit(*words, code=TORCHRUN)
    by_torchrun = segkit.folder / "by_torchrun"
    assert losses(by_torchrun) == losses(two)
    assert (by_torchrun / "model" / "weights.safetensors").read_bytes() == (
        two / "model" / "weights.safetensors"
    ).read_bytes()

    refused = segkit("train", *ball_options, *WORDS, "training.devices=3", "output=three", expect=2)
    assert "training.devices: 3 processes cannot share a batch of 4 evenly: pass plan.batch=6" in refused.stderr
