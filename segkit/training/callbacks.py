"""What happens beside the steps: averaged weights, the clock, metrics.csv, checkpoints, stopping."""

from __future__ import annotations

import csv
import math
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, WeightAveraging
from torch import Tensor

from segkit.foundation.errors import SegkitError, StoppedError
from segkit.foundation.files import atomic_file
from segkit.training.clock import Clock


class AveragedWeights(WeightAveraging):
    """An exponential moving average that soon forgets the first steps: its decay grows to `decay` with the steps.

    Args:
        decay: the final decay per step; after n steps min(decay, (1 + n) / (10 + n)) applies.

    Source: TensorFlow's ExponentialMovingAverage, `num_updates`.
    """

    def __init__(self, decay: float) -> None:
        def update(averages: Sequence[Tensor], currents: Sequence[Tensor], updates: Tensor | int) -> None:
            count = float(updates)
            weight = 1 - min(decay, (1 + count) / (10 + count))
            pairs = list(zip(averages, currents, strict=True))
            floats = [pair for pair in pairs if pair[0].is_floating_point()]
            torch._foreach_lerp_([a for a, _ in floats], [c for _, c in floats], weight)
            for average, current in pairs:
                if not average.is_floating_point():
                    average.copy_(current)  # counters, such as those of batch normalisation

        super().__init__(multi_avg_fn=update)
        self.is_handed_over = False

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Hand the average over to the module, once."""
        # Lightning skips this hook where a resumed training had no step left to make.
        if not self.is_handed_over:
            super().on_train_end(trainer, module)
            self.is_handed_over = True


class ClockKeeper(Callback):
    """Starts the clock at the first step, ends the training with it, and carries it over a resume."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.validation_began = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        self.clock.start_step()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """End the training when the clock says so."""
        self.clock.end_step()
        if self.clock.is_over(trainer.global_step):
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Note when a validation begins."""
        self.validation_began = self.clock.elapsed

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep what a validation costs, since Lightning closes every training with one."""
        self.clock.closing = self.clock.elapsed - self.validation_began

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far."""
        return {"elapsed": self.clock.elapsed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of the checkpoint."""
        self.clock.elapsed_before = float(state_dict["elapsed"])


class MetricsFile(Callback):
    """Appends a row per step to metrics.csv; a resumed training first cuts what the checkpoint does not know.

    Args:
        path: of the file.
        clock: tells the seconds.
        labels: foreground labels, whose validation Dice get a column each.
    """

    def __init__(self, path: Path, clock: Clock, labels: Sequence[str]) -> None:
        self.path, self.clock = path, clock
        self.validated = ["dice", *(f"dice_{label}" for label in labels)]
        self.columns = ["step", "seconds", "loss", "learning_rate", *self.validated]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin the file, or cut it back to the step that training goes on from."""
        kept: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.DictReader(file) if is_before(row, trainer.global_step)]
        with atomic_file(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({column: row.get(column, "") for column in self.columns} for row in kept)

    def append(self, row: dict[str, Any]) -> None:
        """Append one row, written through at once."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Append the step that was just made.

        Raises:
            SegkitError: when the loss is not a finite number.
        """
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise SegkitError(
                f"the loss is {loss} at step {trainer.global_step}: lower optimizer.lr, or pass training.precision=32"
            )
        self.append(
            {
                "step": trainer.global_step,
                "seconds": f"{self.clock.elapsed:.2f}",
                "loss": f"{loss:.6g}",
                "learning_rate": f"{trainer.optimizers[0].param_groups[0]['lr']:.6g}",
            }
        )

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Append the Dice of a validation."""
        found = {name: f"{float(trainer.callback_metrics[name]):.5f}" for name in self.validated
                 if name in trainer.callback_metrics}  # fmt: skip
        self.append({"step": trainer.global_step, "seconds": f"{self.clock.elapsed:.2f}", **found})


def is_before(row: dict[str, str], step: int) -> bool:
    """Say whether a row of metrics.csv is whole and was written at `step` or earlier."""
    number = row.get("step") or ""
    return number.isdigit() and int(number) <= step and None not in row.values()


class Checkpoints(Callback):
    """Writes last.ckpt every so often and when the training is stopped, best.ckpt when validation Dice rises.

    Args:
        last: path of the checkpoint that a resume starts from.
        best: path of the one with the best Dice.
        every_steps: steps between two; None: by seconds.
        every_seconds: seconds between two; None: by steps.
        clock: tells the seconds.
        stop_asked: whether Ctrl-C or SIGTERM came.
    """

    def __init__(
        self,
        last: Path,
        best: Path,
        *,
        every_steps: int | None,
        every_seconds: float | None,
        clock: Clock,
        stop_asked: Callable[[], bool],
    ) -> None:
        self.last, self.best = last, best
        self.every_steps, self.every_seconds = every_steps, every_seconds
        self.clock, self.stop_asked = clock, stop_asked
        self.saved_at, self.best_dice = 0.0, -1.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save when it is time, and leave when that was asked."""
        by_steps = self.every_steps is not None and trainer.global_step % self.every_steps == 0
        by_time = self.every_seconds is not None and self.clock.elapsed - self.saved_at >= self.every_seconds
        if by_steps or by_time or trainer.should_stop or self.stop_asked():
            self.saved_at = self.clock.elapsed
            save(trainer, self.last)
        self.leave_when_asked()

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save, so that a validation that is stopped loses no step."""
        save(trainer, self.last)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Leave when that was asked; the checkpoint before this validation stands."""
        self.leave_when_asked()

    def leave_when_asked(self) -> None:
        """Raise when Ctrl-C or SIGTERM came."""
        if self.stop_asked():
            raise StoppedError(f"stopped; {self.last} is saved, and the same command goes on")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the best."""
        dice = float(trainer.callback_metrics.get("dice", -1.0))
        if dice > self.best_dice:
            self.best_dice = dice
            save(trainer, self.best)

    def state_dict(self) -> dict[str, Any]:
        """Return the best Dice so far."""
        return {"best_dice": self.best_dice}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from it."""
        self.best_dice = float(state_dict["best_dice"])


def save(trainer: pl.Trainer, path: Path) -> None:
    """Write a checkpoint, whole or not at all."""
    with atomic_file(path) as temporary:
        trainer.save_checkpoint(temporary)


class StopSignals:
    """Ctrl-C and SIGTERM as a question asked between steps; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before: dict[int, Any] = {}

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal."""
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> StopSignals:
        """Listen, where Python lets us: signals reach the main thread only."""
        if threading.current_thread() is not threading.main_thread():
            return self
        self.before = {number: signal.signal(number, self.note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        """Hear no more."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
