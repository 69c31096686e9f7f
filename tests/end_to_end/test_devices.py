"""Two processes that share each batch train as one does."""

import csv

import pytest
from safetensors.torch import load_file

WORDS = ("training.steps=6", "plan.batch=4", "training.fold=0", "training.validate_every=3", "augmentation=light")


def losses(run) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["loss"]]


def test_two_processes_have_the_loss_of_one_at_the_same_batch(segkit, ball_options):
    segkit("train", *ball_options, *WORDS, "output=one")
    segkit("train", *ball_options, *WORDS, "training.devices=2", "output=two")
    one, two = segkit.folder / "one", segkit.folder / "two"
    assert len(losses(one)) == 6
    assert losses(two) == pytest.approx(losses(one), rel=1e-5)
    models = [load_file(run / "model" / "weights.safetensors") for run in (one, two)]
    assert models[0].keys() == models[1].keys()
    for name, weights in models[0].items():
        assert models[1][name].numpy() == pytest.approx(weights.numpy(), abs=1e-4)
    refused = segkit("train", *ball_options, *WORDS, "training.devices=3", "output=three", expect=2)
    assert "training.devices=3 cannot share a batch of 4: pass plan.batch=6" in refused.stderr
