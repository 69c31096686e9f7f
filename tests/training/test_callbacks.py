import csv
import signal
from types import SimpleNamespace

import pytest

from segkit.foundation.errors import StoppedError, UsageError
from segkit.training.callbacks import Checkpoints, MetricsFile, StopSignals, is_before
from segkit.training.clock import Clock
from segkit.training.fit import every, validation_interval


def test_metrics_are_cut_back_to_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(
        "step,seconds,loss,learning_rate,dice,dice_a\n1,0.1,1,1,,\n2,0.2,1,1,,\n2,0.2,,,0.5,0.5\n3,0.3,1,1,,\n4,0."
    )
    metrics = MetricsFile(path, Clock(steps=5), ["a"])
    metrics.on_train_start(SimpleNamespace(global_step=2), None)
    assert [row["step"] for row in csv.DictReader(path.open())] == ["1", "2", "2"]
    metrics.append({"step": 3})
    assert path.read_text().splitlines()[-1] == "3,,,,,"


def test_half_a_row_is_never_kept():
    assert is_before({"step": "3", "loss": "1"}, 3)
    assert not is_before({"step": "4", "loss": "1"}, 3)
    assert not is_before({"step": "3", "loss": None}, 3)
    assert not is_before({"step": ""}, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_and_a_second_ctrl_c_insists(number):
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert not signals.asked
        signal.raise_signal(number)
        assert signals.asked
        if number == signal.SIGINT:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
    assert signal.getsignal(number) == before


def test_leaving_when_asked_says_what_is_saved(tmp_path):
    keeping = Checkpoints(
        tmp_path / "last.ckpt", tmp_path / "best.ckpt", every_steps=2, every_seconds=None, clock=Clock(steps=4),
        stop_asked=lambda: True,
    )  # fmt: skip
    with pytest.raises(StoppedError, match=r"last\.ckpt"):
        keeping.leave_when_asked()


def test_intervals():
    assert every("7").steps == 7
    assert every("2min").seconds == 120
    with pytest.raises(UsageError):
        every("often")
    options = SimpleNamespace(validate_every=None)
    assert validation_interval(options, Clock(steps=50)).steps == 5
    assert validation_interval(options, Clock(budget=600)).seconds == 60
