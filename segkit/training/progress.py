"""What one sees while a training runs."""

from __future__ import annotations

from collections import deque
from statistics import fmean
from typing import Any

import pytorch_lightning as pl

from segkit.foundation.console import progress_bar, say
from segkit.foundation.durations import format_duration
from segkit.training.clock import Clock
from segkit.training.module import OF_ALL
from segkit.training.stepwise import Stepwise
from segkit.training.waiting import Waiting

PARTS = 1000  # of the bar
RECENT = 20  # batches whose mean loss is shown


class ProgressLine(Stepwise):
    """A bar that follows the clock, with loss, validation Dice and waiting, and a line for each validation.

    Args:
        clock: tells how far the training is.
        waiting: tells how long it waited for patches.
    """

    def __init__(self, clock: Clock, waiting: Waiting) -> None:
        self.clock, self.waiting = clock, waiting
        self.shown = 0
        self.began = 0.0
        self.losses: deque[float] = deque(maxlen=RECENT)
        self.bar: Any = None
        self.advance: Any = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the bar."""
        self.began = self.clock.elapsed
        length = format_duration(self.clock.budget) if self.clock.budget else f"{self.clock.steps} steps"
        self.bar = progress_bar(PARTS, f"training for {length}", percent=True)
        self.advance = self.bar.__enter__()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Remember the loss."""
        self.losses.append(float(outputs[OF_ALL]))
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Move the bar to where the clock is."""
        done = int(self.clock.progress(trainer.global_step) * PARTS)
        if done > self.shown:
            self.advance(done - self.shown, self.words(trainer))
            self.shown = done

    def words(self, trainer: pl.Trainer) -> str:
        """Say how it goes: `step 1200, loss 0.412, Dice 0.873, waiting for patches 3%`."""
        dice = trainer.callback_metrics.get("dice")
        validated = "" if dice is None else f", Dice {float(dice):.3f}"
        waited = f"waiting for patches {self.share:.0%}"
        return f"step {trainer.global_step}, loss {fmean(self.losses):.3f}{validated}, {waited}"

    @property
    def share(self) -> float:
        """Which part of this process's training time went by waiting for patches."""
        return min(1.0, self.waiting.total / max(self.clock.elapsed - self.began, 1e-9))

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say how good it is."""
        dice = trainer.callback_metrics.get("dice")
        if dice is not None:
            say(f"step {trainer.global_step}, {format_duration(self.clock.elapsed)}: validation Dice {float(dice):.3f}")

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException) -> None:
        """Take the bar away: what is said of the failure, or another attempt, has the place."""
        self.close()

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, where there is one."""
        if self.bar is not None:
            self.bar.__exit__(None, None, None)
            self.bar = None
