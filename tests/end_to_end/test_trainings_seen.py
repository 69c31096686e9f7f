"""What one sees of a training, and how it may end, on the command line."""

import csv
import json
import shutil
import signal

import pytest
import yaml
from PIL import Image

from tests.end_to_end.test_resume import weights

VALIDATING = ("training.steps=40", "training.fold=0", "training.validate_every=4", "training.ema=0")
# No step changes anything at that rate, so no validation gets better than the first.
STANDING = (*VALIDATING, "training.patience=3", "optimizer.lr=1e-30", "training.checkpoint_every=3")


def rows(run):
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def without_times(run):
    return [{name: value for name, value in row.items() if name not in ("seconds", "waiting")} for row in rows(run)]


@pytest.fixture(scope="module")
def ended_early(uninterrupted_line, ball_options):
    done = uninterrupted_line("train", *ball_options, *STANDING, "output=early")
    return uninterrupted_line.folder / "early", done.stdout


def test_patience_ends_a_training_early_and_says_so(ended_early):
    run, shown = ended_early
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["steps"]) == ("finished", 16)
    assert "3 validations without a better Dice" in status["ended_early"]
    assert "ends early at step 16" in shown
    assert "ends early at step 16" in (run / "log.txt").read_text()
    assert [row["step"] for row in rows(run) if row["dice"]] == ["4", "8", "12", "16"]
    # The schedule is that of the whole training: its rate has only just begun to fall.
    assert float(rows(run)[-2]["learning_rate"]) > 0.5e-30


@pytest.mark.parametrize("step", [7, 13])
def test_killed_and_resumed_it_ends_where_it_would_have(segkit, ball_options, ended_early, step):
    run = segkit.folder / "early"
    process = segkit.start_until_step(step, "early", "train", *ball_options, *STANDING, "output=early")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    segkit("train", "resume=early")
    assert json.loads((run / "status.json").read_text())["steps"] == 16
    assert without_times(run) == without_times(ended_early[0])
    assert weights(run) == weights(ended_early[0])


def test_a_validation_that_a_killed_training_owed_is_made_up_for(segkit, ended_early):
    run = segkit.folder / "early"
    shutil.copytree(ended_early[0], run)
    shutil.rmtree(run / "model")
    (run / "status.json").write_text('{"state": "running"}')
    # The last checkpoint is that of step 16, written before its validation.
    resumed = segkit("train", "resume=early")
    assert "ends early at step 16" in resumed.stdout
    assert without_times(run) == without_times(ended_early[0])


def test_patience_without_cases_that_validate_is_refused(segkit, ball_options):
    refused = segkit("train", *ball_options, "training.steps=9", "training.patience=2", expect=2)
    assert "training.fold=0" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_accumulated_steps_are_resumed_bit_for_bit(segkit, ball_options):
    options = (*ball_options, "training.steps=24", "training.accumulate=2", "plan.batch=1", "training.fold=0",
               "training.validate_every=5", "training.checkpoint_every=4")  # fmt: skip
    segkit("train", *options, "output=whole")
    process = segkit.start_until_step(11, "halved", "train", *options, "output=halved")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    segkit("train", "resume=halved", "training.workers=1")
    whole, halved = segkit.folder / "whole", segkit.folder / "halved"
    assert weights(whole) == weights(halved)
    assert without_times(whole) == without_times(halved)
    assert [row["step"] for row in rows(whole) if row["loss"]] == [str(step) for step in range(1, 25)]


def test_a_profiler_writes_beside_the_training(segkit, ball_options):
    segkit("train", *ball_options, "training.steps=4", "profiler=simple", "output=run")
    report = (segkit.folder / "run" / "fit-profile.txt").read_text()
    assert "run_training_batch" in report
    assert all(float(row["waiting"]) > 0 for row in rows(segkit.folder / "run"))


def test_a_budget_sizes_patches_and_network(segkit, ball_options):
    words = [word for word in ball_options if "features" not in word and "patch" not in word]
    segkit("train", *words, "training.budget=3s", "output=run")
    plan = yaml.safe_load((segkit.folder / "run" / "plan.yaml").read_text())
    assert plan["features"][0] == 16
    assert "3.0 s hold" in plan["reasons"]["budget"]
    assert "timed here" in plan["reasons"]["budget"]
    timed = list((segkit.folder / "cache" / "step_seconds").iterdir())
    assert len(timed) >= 1
    model = yaml.safe_load((segkit.folder / "run" / "model" / "model.yaml").read_text())
    assert model["network"]["features"] == plan["features"]
    # What the run decided stays: a prediction builds the very network, and a sweep estimates instead of timing.
    segkit("predict", "run=run", "split=training")
    segkit("train", "-m", *words, "training.budget=2s,3s", "output=study")
    plans = [yaml.safe_load(path.read_text()) for path in sorted((segkit.folder / "study").glob("*/plan.yaml"))]
    assert len(plans) == 2
    assert all("estimated from its operations" in each["reasons"]["budget"] for each in plans)
    assert len(list((segkit.folder / "cache" / "step_seconds").iterdir())) == len(timed)


def test_pictures_waiting_and_what_callbacks_log(segkit, ball_options):
    shown = segkit("train", *ball_options, *VALIDATING, "callbacks=device_stats", "output=run").stdout
    run = segkit.folder / "run"
    for name in ("progress.png", "worst.png"):
        with Image.open(run / name) as picture:
            assert min(picture.size) > 300
    assert all(float(row["waiting"]) >= 0 for row in rows(run) if row["loss"])
    assert "waiting" in shown
    assert "Dice 0." in shown
    logged = (run / "logged.csv").read_text()
    assert "cpu_percent" in logged
    assert "dice" not in logged
    # Nobody trusts the package that the run names, as nobody knows who wrote the run.
    (run / "status.json").write_text('{"state": "running"}')
    refused = segkit("train", "resume=run", expect=2)
    assert "trust=[pytorch_lightning]" in refused.stderr
    segkit("train", "resume=run", "trust=[pytorch_lightning]")
