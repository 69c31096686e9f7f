"""When a fold validates, and when enough validations brought nothing better."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from segkit.foundation.console import say
from segkit.foundation.durations import format_duration, parse_duration
from segkit.training.clock import Clock
from segkit.training.ranks import any_of, of_first
from segkit.training.stepwise import Stepwise

NEVER = sys.maxsize  # batches between two validations, as long as none is due


@dataclass(frozen=True)
class Every:
    """An interval in steps or in seconds."""

    steps: int | None = None
    seconds: float | None = None

    def is_due(self, step: int, seconds: float) -> bool:
        """Say whether something is due after `step` steps, `seconds` after it was done last."""
        by_steps = self.steps is not None and step % self.steps == 0
        return by_steps or (self.seconds is not None and seconds >= self.seconds)


def every(text: str) -> Every:
    """Read an interval: a bare number counts steps, anything else is a duration.

    Raises:
        UsageError: when it is neither.
    """
    return Every(steps=max(1, int(text))) if text.isdigit() else Every(seconds=parse_duration(text))


class Validations(Stepwise):
    """Lets a fold validate between optimiser steps, and lets a resumed training make up for one it was killed in.

    Lightning counts batches and its own seconds: it would validate between the batches of a step, and a resumed
    training would not know of the validation that its checkpoint still owed.

    Args:
        interval: between two.
        clock: tells the seconds.
    """

    def __init__(self, interval: Every, clock: Clock) -> None:
        self.interval, self.clock = interval, clock
        self.is_owed, self.validated_at = False, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Validate first where the checkpoint owes it."""
        if self.is_owed:
            loop = trainer.fit_loop.epoch_loop.val_loop
            loop.restarting = False  # from its first case: the scores of those before the kill are gone
            trainer.validating = True
            loop.run()
            trainer.training = True

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Ask for a validation where one is due; Lightning closes each training with one."""
        due = self.interval.is_due(trainer.global_step, self.clock.elapsed - self.validated_at)
        self.is_owed = any_of(due, module) or trainer.should_stop
        trainer.val_check_batch = 1 if self.is_owed else NEVER  # Lightning validates after multiples of it

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Count from here."""
        self.is_owed, self.validated_at = False, self.clock.elapsed
        trainer.val_check_batch = NEVER

    def state_dict(self) -> dict[str, Any]:
        """Return whether a validation is owed, and when the last one was."""
        return {"is_owed": self.is_owed, "validated_at": self.validated_at}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.is_owed, self.validated_at = bool(state_dict["is_owed"]), float(state_dict["validated_at"])


class Patience(Callback):
    """Ends a training once so many validations in a row brought no better mean Dice.

    Args:
        validations: without a better one before the training ends.
        clock: tells the seconds.
    """

    def __init__(self, validations: int, clock: Clock) -> None:
        self.validations, self.clock = validations, clock
        self.best_dice, self.best_step, self.since, self.has_ended = -1.0, 0, 0, False

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Count, and end the training where it does not end here anyway; all processes go by the first one's Dice."""
        dice = of_first(float(trainer.callback_metrics["dice"]), module)
        if dice > self.best_dice:
            self.best_dice, self.best_step, self.since = dice, trainer.global_step, 0
        else:
            self.since += 1
        if self.since >= self.validations and not trainer.should_stop:
            self.has_ended = trainer.should_stop = True
            say(f"ends early at step {trainer.global_step}, {format_duration(self.clock.elapsed)}: {self.reason}")

    @property
    def reason(self) -> str:
        """Why it ended the training, in words."""
        times = f"{self.since} validation{'s' * (self.since > 1)}"
        return f"{times} without a better Dice than {self.best_dice:.4f} at step {self.best_step}"

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far and the validations since."""
        return {"best_dice": self.best_dice, "best_step": self.best_step, "since": self.since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.best_dice, self.best_step = float(state_dict["best_dice"]), int(state_dict["best_step"])
        self.since = int(state_dict["since"])


def early_end(trainer: pl.Trainer) -> str | None:
    """Return why a training ended before its time, None where it did not."""
    reasons = [each.reason for each in trainer.callbacks if isinstance(each, Patience) and each.has_ended]  # type: ignore[attr-defined]
    return reasons[0] if reasons else None
