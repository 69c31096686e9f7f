"""What one sees while a training runs."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from segkit.foundation.console import progress_bar, say
from segkit.foundation.durations import format_duration
from segkit.training.clock import Clock

PARTS = 1000  # of the bar


class ProgressLine(Callback):
    """A bar that follows the clock, and a line for each validation."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.shown = 0
        self.bar: Any = None
        self.advance: Any = None

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Show the bar."""
        length = format_duration(self.clock.budget) if self.clock.budget else f"{self.clock.steps} steps"
        self.bar = progress_bar(PARTS, f"training for {length}")
        self.advance = self.bar.__enter__()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar to where the clock is."""
        done = int(self.clock.progress(trainer.global_step) * PARTS)
        if done > self.shown:
            self.advance(done - self.shown)
            self.shown = done

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say how good it is."""
        dice = trainer.callback_metrics.get("dice")
        if dice is not None:
            say(f"step {trainer.global_step}, {format_duration(self.clock.elapsed)}: validation Dice {float(dice):.3f}")

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.__exit__(None, None, None)
            self.bar = None
