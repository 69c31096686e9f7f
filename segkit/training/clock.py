"""How far a training is: by the wall clock or by steps."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from statistics import median

RECENT = 20  # steps whose median tells how long the next one takes


@dataclass
class Clock:
    """Counts from the first step, over every resume, until the budget or the steps are used up.

    Attributes:
        budget: seconds of wall clock, or None.
        steps: optimiser steps, or None; exactly one of both is set.
        elapsed_before: seconds that earlier processes of this training took.
        closing: seconds that the validation after the last step will take, as the one before did.
        started: when this process began its first step, by the monotonic clock; None before.
        last_step: when its last step ended, likewise.
        durations: of its last steps, in seconds.
    """

    budget: float | None = None
    steps: int | None = None
    elapsed_before: float = 0.0
    closing: float = 0.0
    started: float | None = None
    last_step: float | None = None
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    @property
    def elapsed(self) -> float:
        """Seconds since the first step, earlier processes included."""
        return self.elapsed_before + (0.0 if self.started is None else time.monotonic() - self.started)

    def stop(self) -> None:
        """Stop counting: what follows is no training."""
        self.elapsed_before, self.started = self.elapsed, None

    def start_step(self) -> None:
        """Start the clock at the first step."""
        now = time.monotonic()
        self.started = self.started if self.started is not None else now
        self.last_step = self.last_step if self.last_step is not None else now

    def end_step(self) -> None:
        """Note how long this step took, with all that happened since the one before."""
        now = time.monotonic()
        if self.last_step is not None:
            self.durations.append(now - self.last_step)
        self.last_step = now

    def progress(self, step: int) -> float:
        """Return how far the training is when `step` steps are done, 0 to 1."""
        if self.budget is not None:
            # The rate reaches its end with the last step, before the closing validation, which may take all there is.
            return min(1.0, self.elapsed / max(self.budget - self.closing, 1e-9))
        return min(1.0, step / (self.steps or 1))

    def is_over(self, step: int) -> bool:
        """Say whether the training ends after `step` steps: one more would miss the budget by more."""
        if self.budget is not None:
            return self.elapsed + self.closing + median(self.durations or [0.0]) / 2 >= self.budget
        return step >= (self.steps or 0)
