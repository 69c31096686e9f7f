import signal

import pytest

from segkit.foundation.errors import StoppedError
from segkit.training.callbacks import Checkpoints, StopSignals
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


def test_leaving_when_asked_says_what_is_saved(tmp_path):
    keeping = Checkpoints(
        tmp_path / "last.ckpt", tmp_path / "best.ckpt", interval=Every(steps=2), clock=Clock(steps=4),
        stop_asked=lambda: True,
    )  # fmt: skip
    with pytest.raises(StoppedError, match=r"last\.ckpt"):
        keeping.leave_when(stop=True)
