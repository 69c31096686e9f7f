import pytest

from segkit.training import clock as clock_module
from segkit.training.clock import Clock


class Time:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(clock_module.time, "monotonic", lambda: self.now)


def run(clock, time, seconds):
    clock.start_step()
    time.now += seconds
    clock.end_step()


def test_the_clock_starts_with_the_first_step(monkeypatch):
    time, clock = Time(monkeypatch), Clock(budget=10)
    time.now += 50
    assert clock.elapsed == 0
    run(clock, time, 4)
    assert clock.elapsed == pytest.approx(4)
    assert clock.progress(1) == pytest.approx(0.4)


def test_a_budget_ends_within_half_a_step(monkeypatch):
    time, clock = Time(monkeypatch), Clock(budget=10)
    steps = 0
    while not clock.is_over(steps):
        run(clock, time, 0.7)
        steps += 1
    assert abs(clock.elapsed - 10) <= 0.35 + 1e-9


def test_steps_end_exactly(monkeypatch):
    time, clock = Time(monkeypatch), Clock(steps=3)
    for step in range(3):
        assert not clock.is_over(step)
        run(clock, time, 2)
    assert clock.is_over(3)
    assert clock.progress(3) == 1


def test_a_resumed_clock_goes_on(monkeypatch):
    time, clock = Time(monkeypatch), Clock(budget=10, elapsed_before=8)
    run(clock, time, 1.9)
    assert clock.elapsed == pytest.approx(9.9)
    assert clock.is_over(7)


def test_a_stopped_clock_keeps_its_time(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("segkit.training.clock.time.monotonic", lambda: now[0])
    clock = Clock(budget=60, elapsed_before=5.0)
    clock.start_step()
    now[0] = 110.0
    clock.stop()
    now[0] = 200.0
    assert clock.elapsed == 15.0
