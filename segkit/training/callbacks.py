"""What happens beside the steps: averaged weights, the clock, checkpoints, stopping."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import Tensor

from segkit.foundation.errors import StoppedError
from segkit.foundation.files import atomic_file
from segkit.foundation.stopping import stop_was_asked
from segkit.training.clock import Clock
from segkit.training.ranks import any_of, of_first
from segkit.training.stepwise import Stepwise
from segkit.training.validations import Every


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
            if floats:  # it is called for each number format, and a transformer's indices are whole numbers
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


class ClockKeeper(Stepwise):
    """Starts the clock at the first step, ends the training with it, and carries it over a resume."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.validation_began = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        """Start the clock."""
        self.clock.start_step()

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """End the training when the clock says so."""
        self.clock.end_step()
        if any_of(self.clock.is_over(trainer.global_step), module):
            trainer.should_stop = True

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Note when a validation begins; one that an earlier process owed begins before the first step."""
        self.clock.start_step()
        self.validation_began = self.clock.elapsed

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep what a validation costs, since Lightning closes every training with one."""
        self.clock.closing = self.clock.elapsed - self.validation_began

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds so far, and those that the closing validation will take."""
        return {"elapsed": self.clock.elapsed, "closing": self.clock.closing}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the seconds of the checkpoint."""
        self.clock.elapsed_before = float(state_dict["elapsed"])
        self.clock.closing = float(state_dict.get("closing", 0.0))  # which an earlier segkit did not keep


class Checkpoints(Stepwise):
    """Writes last.ckpt every so often and when the training is stopped, best.ckpt when validation Dice rises.

    Args:
        last: path of the checkpoint that a resume starts from.
        best: path of the one with the best Dice.
        interval: between two.
        clock: tells the seconds.
        stop_asked: whether Ctrl-C or SIGTERM came.
    """

    def __init__(
        self,
        last: Path,
        best: Path,
        *,
        interval: Every,
        clock: Clock,
        stop_asked: Callable[[], bool],
    ) -> None:
        self.last, self.best = last, best
        self.interval, self.clock, self.stop_asked = interval, clock, stop_asked
        self.saved_at, self.saved_step, self.best_dice = 0.0, -1, -1.0

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save when it is time, and leave when that was asked."""
        due = self.interval.is_due(trainer.global_step, self.clock.elapsed - self.saved_at)
        # Clocks and signals differ between processes; each asks the others the same two questions in the same order.
        stop = any_of(self.stop_asked(), module)
        if any_of(due, module) or trainer.should_stop or stop:
            self.keep(trainer)
        self.leave_when(stop)

    def keep(self, trainer: pl.Trainer) -> None:
        """Write last.ckpt, where it does not hold this step already."""
        if trainer.global_step != self.saved_step:
            self.saved_at, self.saved_step = self.clock.elapsed, trainer.global_step
            save(trainer, self.last)

    def on_load_checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Count the batches so far as this training takes them, which may be others a step than before."""
        # Lightning steps at each `accumulate`-th batch of its count, which goes on from the checkpoint's.
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        missing = checkpoint["global_step"] * trainer.accumulate_grad_batches - progress["current"]["ready"]
        for counts in (progress["current"], progress["total"]):
            counts.update({name: number + missing for name, number in counts.items()})

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save, so that a validation that is stopped loses no step."""
        self.keep(trainer)

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Leave when that was asked; the checkpoint before this validation stands."""
        self.leave_when(any_of(self.stop_asked(), module))

    def leave_when(self, stop: bool) -> None:
        """Leave when Ctrl-C or SIGTERM came.

        Raises:
            StoppedError: then, with where the checkpoint lies.
        """
        if stop:
            raise StoppedError(f"stopped; {self.last} is saved, and the same command goes on")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Keep the best, by the first process's Dice: each scores every case, and rounds as its own GPU does."""
        dice = of_first(float(trainer.callback_metrics.get("dice", -1.0)), module)
        if dice > self.best_dice:
            self.best_dice = dice
            save(trainer, self.best)

    def state_dict(self) -> dict[str, Any]:
        """Return the best Dice so far, and which step is saved."""
        return {"best_dice": self.best_dice, "saved_step": self.saved_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from it."""
        self.best_dice, self.saved_step = float(state_dict["best_dice"]), int(state_dict["saved_step"])


class InPlace(TorchCheckpointIO):
    """Writes a checkpoint where it is told to; Lightning's own goes by memory and the system's temporary folder.

    That folder may be smaller than a checkpoint, and a killed training would leave the checkpoint in it.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write the file; `save` sees to it that it is whole or absent."""
        torch.save(checkpoint, path)


def save(trainer: pl.Trainer, path: Path) -> None:
    """Write a checkpoint, whole or not at all; every process must come here, and the first one writes."""
    if not trainer.is_global_zero:
        trainer.save_checkpoint(path)
        return
    with atomic_file(path) as temporary:
        trainer.save_checkpoint(temporary)


class StopSignals:
    """Ctrl-C and SIGTERM as a question asked between steps; a second Ctrl-C interrupts at once."""

    def __init__(self) -> None:
        self.asked = stop_was_asked()  # while PyTorch was being imported, which can swallow what a signal raises
        self.before: dict[int, Any] = {}

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember the signal.

        Raises:
            KeyboardInterrupt: at the second Ctrl-C.
        """
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
