"""Learning-rate schedules: progress of the training, 0 to 1, to a factor on the optimiser's rate.

Progress is measured by the clock when `training.budget` is set and by steps otherwise, so each schedule ends with the
training.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from segkit.foundation.errors import UsageError

START = 0.04  # of the full rate, where a warm-up begins: PyTorch's OneCycleLR default


class Schedule(ABC):
    """What a learning rate does over a training."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """Return the factor on the optimiser's rate at `progress` in [0, 1]."""


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A linear warm-up to the full rate, then half a cosine down to zero.

    Attributes:
        warm_up: share of the training, 0 to 1 (exclusive).
        start: factor where the warm-up begins.

    Raises:
        UsageError: when `warm_up` is no such share.

    Source: Smith & Topin 2019, "Super-convergence", with the cosine of Loshchilov & Hutter 2017.
    """

    warm_up: float = 0.1
    start: float = START

    def __post_init__(self) -> None:
        """Refuse a warm-up that leaves nothing of the training."""
        check_warm_up(self.warm_up)

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        if progress < self.warm_up:
            return line(self.start, 1, progress / self.warm_up)
        return half_cosine((progress - self.warm_up) / (1 - self.warm_up))


@dataclass(frozen=True)
class Polynomial(Schedule):
    """(1 - progress) ^ power.

    Attributes:
        power: 0.9 in nnU-Net.

    Raises:
        UsageError: when `power` is negative: the rate would grow without end.

    Source: Isensee et al. 2021, Nature Methods 18, "Learning rate".
    """

    power: float = 0.9

    def __post_init__(self) -> None:
        """Refuse a rate that would grow."""
        if self.power < 0:
            raise UsageError(f"schedule.power: {self.power} must not be negative")

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        return float(max(0.0, 1 - progress) ** self.power)


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from the full rate down to `end`, after a linear warm-up where one is asked for.

    Attributes:
        warm_up: share of the training, 0 to 1 (exclusive).
        end: factor at the end of the training.

    Raises:
        UsageError: when `warm_up` is no such share.

    Source: Loshchilov & Hutter 2017, "SGDR", without restarts; the warm-up as in Goyal et al. 2017.
    """

    warm_up: float = 0.05
    end: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a warm-up that leaves nothing of the training."""
        check_warm_up(self.warm_up)

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        if progress < self.warm_up:
            return line(START, 1, progress / self.warm_up)
        return line(self.end, 1, half_cosine((progress - self.warm_up) / (1 - self.warm_up)))


@dataclass(frozen=True)
class WarmUpStableDecay(Schedule):
    """A trapezoid: a linear warm-up, the full rate for most of the training, a decay to zero at its end.

    Attributes:
        warm_up: share of the training.
        decay: share of the training.
        shape: of the decay: a line, or 1 - sqrt(share of it that is done).

    Raises:
        UsageError: when the shares are below 0, or above 1 together.

    Source: Hu et al. 2024, "MiniCPM"; the shapes and their comparison from Hägele et al. 2024, "Scaling laws and
    compute-optimal training beyond fixed training durations".
    """

    warm_up: float = 0.05
    decay: float = 0.2
    shape: Literal["linear", "one_minus_sqrt"] = "one_minus_sqrt"

    def __post_init__(self) -> None:
        """Refuse shares that do not fit into the training."""
        if min(self.warm_up, self.decay) < 0 or self.warm_up + self.decay > 1:
            raise UsageError(f"schedule.warm_up and schedule.decay: {self.warm_up} and {self.decay} are no shares of 1")

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        if progress < self.warm_up:
            return line(START, 1, progress / self.warm_up)
        left = 1 - progress
        if left >= self.decay:
            return 1.0
        done = min(1.0, 1 - left / self.decay)
        return 1 - (math.sqrt(done) if self.shape == "one_minus_sqrt" else done)


def check_warm_up(share: float) -> None:
    """Require a warm-up that ends before the training does.

    Raises:
        UsageError: where it does not.
    """
    if not 0 <= share < 1:
        raise UsageError(f"schedule.warm_up: {share} is no share of the training from 0 to below 1")


def line(start: float, end: float, share: float) -> float:
    """Return what lies between `start` and `end`."""
    return start + (end - start) * share


def half_cosine(share: float) -> float:
    """Return half a cosine from 1 down to 0, which it keeps beyond a share of 1."""
    return (1 + math.cos(math.pi * min(1.0, share))) / 2
