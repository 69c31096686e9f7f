"""Learning-rate schedules: progress of the training, 0 to 1, to a factor on the optimiser's rate.

Progress is measured by the clock when `training.budget` is set and by steps otherwise, so each schedule ends with the
training.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass


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

    Source: Smith & Topin 2019, "Super-convergence", with the cosine of Loshchilov & Hutter 2017.
    """

    warm_up: float = 0.1
    start: float = 0.04  # of the full rate, PyTorch's OneCycleLR default

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        if progress < self.warm_up:
            return self.start + (1 - self.start) * progress / self.warm_up
        return (1 + math.cos(math.pi * min(1.0, (progress - self.warm_up) / (1 - self.warm_up)))) / 2


@dataclass(frozen=True)
class Polynomial(Schedule):
    """(1 - progress) ^ power.

    Attributes:
        power: 0.9 in nnU-Net.

    Source: Isensee et al. 2021, Nature Methods 18, "Learning rate".
    """

    power: float = 0.9

    def __call__(self, progress: float) -> float:
        """Return the factor at `progress` in [0, 1]."""
        return float(max(0.0, 1 - progress) ** self.power)
