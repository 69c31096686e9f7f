"""Trainings that write a metrics.csv and learn nothing; named by `launcher._target_` in tests."""

import math
import os
from contextlib import nullcontext
from pathlib import Path

import yaml

HEAD = "step,seconds,loss,learning_rate,waiting,dice,dice_a\n"
VALIDATIONS = 10
FAIL, KILL_ONCE, KILL = 11, 12, 13  # seeds that go wrong


def dice_of(rate: float, validation: int = VALIDATIONS) -> float:
    """Best at a learning rate of 0.01, and rising with each validation."""
    return (1 - abs(math.log10(rate) + 2) / 4) * validation / VALIDATIONS


class Job:
    """Makes one validation each time that it is looked at."""

    def __init__(self, run: Path, rate: float, seed: int) -> None:
        self.metrics, self.rate, self.seed = run / "metrics.csv", rate, seed
        self.done, self.is_stopped = 0, False
        run.mkdir(parents=True, exist_ok=True)
        self.metrics.write_text(HEAD)
        self.times = len(list(run.glob("attempt*")))
        (run / f"attempt{self.times}").touch()

    def exit_code(self):
        if self.is_stopped:
            return 130
        if self.done == 2 and (self.seed == KILL or (self.seed == KILL_ONCE and not self.times)):
            return -9
        if self.done == 2 and self.seed == FAIL:
            return 1
        if self.done == VALIDATIONS:
            return 0
        self.done += 1
        dice = dice_of(self.rate, self.done)
        with self.metrics.open("a") as file:
            file.write(f"{self.done},{self.done},,,,{dice},{dice}\n")
        return None

    def stop(self):
        self.is_stopped = True

    def kill(self):
        self.is_stopped = True

    def place(self):
        return "nowhere"


class Toy(nullcontext):
    """Room for so many at a time; `dies_at` ends this very process when a trial of that number starts."""

    def __init__(self, parallel: int | None = None, dies_at: int | None = None, **options):
        super().__init__(self)
        self.parallel, self.dies_at, self.jobs = parallel or 1, dies_at, []

    def has_room(self):
        return sum(job.exit_code() is None for job in self.jobs[-self.parallel :]) < self.parallel

    def start(self, trial):
        if self.dies_at is not None and trial.name.startswith(f"{self.dies_at:03d},"):
            os._exit(9)
        config = yaml.safe_load(trial.config.read_text())
        self.jobs.append(Job(trial.run, float(config["optimizer"]["lr"]), config["seed"]))
        return self.jobs[-1]
