"""Trainings that start from weights of elsewhere, on the command line."""

import json
import signal

import pytest
import torch
from safetensors.torch import load_file, save_file


@pytest.fixture(scope="module")
def first(uninterrupted_line, ball_options):
    uninterrupted_line("train", *ball_options, "training.steps=5", "output=first", "seed=1")
    return uninterrupted_line.folder / "first"


def test_a_training_starts_where_the_weights_are(segkit, ball_options, first):
    segkit("package", f"run={first}", "output=first.segkit")
    still = ("training.steps=2", "optimizer.lr=0", "training.ema=0")
    said = segkit("train", *ball_options, *still, "training.weights=first.segkit", "output=second").stdout
    assert f"start from {segkit.folder / 'first.segkit'}: 22 of 22 weights taken" in said
    assert "22 of 22 weights taken" in (segkit.folder / "second" / "log.txt").read_text()
    before, after = (load_file(run / "model/weights.safetensors") for run in (first, segkit.folder / "second"))
    assert all(torch.equal(before[name], after[name]) for name in before)
    record = json.loads((segkit.folder / "second" / "starting_weights.json").read_text())
    assert len(record["matched"]) == 22
    assert len(record["sha256"]) == 64


def test_a_run_that_goes_on_does_not_load_them_again(segkit, ball_options, first):
    weights = segkit.folder / "w.safetensors"
    weights.write_bytes((first / "model/weights.safetensors").read_bytes())
    process = segkit.start_until_step(
        6, "run", "train", *ball_options, "training.steps=400", "training.checkpoint_every=2",
        f"training.weights={weights}", "output=run",
    )  # fmt: skip
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    weights.unlink()
    segkit("train", "resume=run")
    assert (segkit.folder / "run" / "log.txt").read_text().count("start from") == 1


def test_mistakes_are_named_and_a_corrected_command_may_use_the_same_output(segkit, ball_options, first):
    words = ("train", *ball_options, "training.steps=1", "output=run")
    refused = segkit(*words, "training.weights=nowhere.pt", expect=2)
    assert "training.weights: there is no file or folder" in refused.stderr
    save_file({"stranger.weight": torch.zeros(2)}, segkit.folder / "other.safetensors")
    refused = segkit(*words, "training.weights=other.safetensors", expect=1)
    assert len(refused.stderr.strip().splitlines()) == 1
    assert "fits the network; it holds e.g. stranger.weight" in refused.stderr
    segkit(*words, f"training.weights={first}")


def test_fine_tuning_freezes_what_it_says_and_goes_on_after_a_stop(segkit, ball_options):
    segkit("train", *ball_options, "training.steps=4", "output=first")
    words = ("training.weights=first", "training.frozen=[encoder.0.*]", "training.rates={encoder.*: 0.1}")
    result = segkit("train", *ball_options, *words, "training.steps=6", "training.ema=0", "output=second")
    assert "weights are frozen" in result.stdout + result.stderr
    before, after = (load_file(segkit.folder / run / "model" / "weights.safetensors") for run in ("first", "second"))
    kept = {name for name in before if (before[name] == after[name]).all()}
    assert {name for name in before if name.startswith("encoder.0.")} <= kept
    assert "heads.0.weight" not in kept
    refused = segkit("train", *ball_options, "training.steps=1", "training.frozen=[encodr.*]", "output=third", expect=2)
    assert "encodr.*" in refused.stderr
