import csv
from types import SimpleNamespace

import pytest
import torch

from segkit.foundation.errors import SegkitError
from segkit.training.clock import Clock
from segkit.training.metrics_file import MetricsFile, is_before
from segkit.training.module import OF_ALL
from segkit.training.waiting import FETCHING, Waiting


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "step,seconds,loss,learning_rate,waiting,dice,dice_a\n1,0.1,1,1,0,,\n1,0.1,,,,0.4,0.4\n2,0.2,1,1,0,,\n"
        "2,0.2,,,,0.5,0.5\n3,0.3,1,1,0,,\n4,0."
    )
    metrics = MetricsFile(path, Clock(steps=5), ["a"], Waiting())
    # The checkpoint of step 2 was written before the validation of step 2, which will be made again.
    metrics.load_state_dict({"validated_step": 1})
    metrics.on_train_start(SimpleNamespace(global_step=2), None)
    assert [(row["step"], row["dice"]) for row in rows(path)] == [("1", ""), ("1", "0.4"), ("2", "")]
    metrics.append({"step": 3})
    assert path.read_text().splitlines()[-1] == "3,,,,,,"


def test_half_a_row_is_never_kept():
    assert is_before({"step": "3", "loss": "1"}, 3)
    assert not is_before({"step": "4", "loss": "1"}, 3)
    assert not is_before({"step": "3", "loss": None}, 3)
    assert not is_before({"step": ""}, 3)


def a_trainer(logged):
    logger = SimpleNamespace(log_metrics=lambda found, step: logged.append((step, found["loss"])))
    optimizer = SimpleNamespace(param_groups=[{"lr": 0.1}])
    return SimpleNamespace(global_step=1, accumulate_grad_batches=2, optimizers=[optimizer], loggers=[logger])


def test_a_row_and_a_logged_value_a_step_however_many_batches_it_takes(tmp_path):
    logged = []
    trainer = a_trainer(logged)
    metrics = MetricsFile(tmp_path / "metrics.csv", Clock(steps=5), [], Waiting())
    metrics.on_train_start(SimpleNamespace(global_step=0), None)
    for batch, loss in enumerate((0.5, 1.0)):
        metrics.on_train_batch_end(trainer, None, {OF_ALL: torch.tensor(loss)}, None, batch)
    assert [row["loss"] for row in rows(tmp_path / "metrics.csv")] == ["0.75"]
    assert logged == [(1, 0.75)]
    metrics.loss = float("nan")
    with pytest.raises(SegkitError, match="the loss is nan"):
        metrics.after_step(trainer, None)


def test_waiting_counts_the_loader_and_nothing_else(monkeypatch):
    now = iter((10.0, 12.5))
    monkeypatch.setattr("segkit.training.waiting.time.monotonic", lambda: next(now))
    waiting = Waiting()
    for action in ("run_training_batch", f"[_TrainingEpochLoop].{FETCHING}"):
        with waiting.profile(action):
            pass
    assert waiting.take() == 2.5
    assert waiting.take() == 0
