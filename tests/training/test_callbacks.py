import signal
from types import SimpleNamespace

import pytest

from segkit.foundation.errors import StoppedError
from segkit.training import callbacks
from segkit.training.callbacks import Checkpoints, ClockKeeper, StopSignals
from segkit.training.clock import Clock
from segkit.training.validations import Every


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


def checkpoints(folder):
    return Checkpoints(
        folder / "last.ckpt", folder / "best.ckpt", interval=Every(steps=2), clock=Clock(steps=4),
        stop_asked=lambda: True,
    )  # fmt: skip


def test_leaving_when_asked_says_what_is_saved(tmp_path):
    keeping = checkpoints(tmp_path)
    with pytest.raises(StoppedError, match=r"last\.ckpt"):
        keeping.leave_when(stop=True)


def test_a_resumed_budget_leaves_the_time_of_the_closing_validation():
    clock = Clock(budget=100, elapsed_before=60, closing=10)
    resumed = Clock(budget=100)
    ClockKeeper(resumed).load_state_dict(ClockKeeper(clock).state_dict())
    assert (resumed.elapsed, resumed.closing) == (60, 10)
    assert resumed.progress(1) == clock.progress(1) == pytest.approx(60 / 90)
    ClockKeeper(resumed).load_state_dict({"elapsed": 60.0})  # of a checkpoint from before


@pytest.mark.parametrize(("of_first", "kept"), [(0.4, True), (0.3, False)])
def test_all_processes_keep_the_best_by_the_dice_of_the_first(of_first, kept, tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(callbacks, "of_first", lambda value, module: of_first)
    monkeypatch.setattr(callbacks, "save", lambda trainer, path: saved.append(path.name))
    keeping = checkpoints(tmp_path)
    keeping.best_dice = 0.35
    keeping.on_validation_end(SimpleNamespace(callback_metrics={"dice": 0.35}), None)
    assert saved == (["best.ckpt"] if kept else [])
