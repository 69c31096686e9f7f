"""metrics.csv: a row a step, and one a validation."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from segkit.foundation.errors import SegkitError
from segkit.foundation.files import atomic_file
from segkit.training.clock import Clock
from segkit.training.metrics_columns import STEP_COLUMNS, dice_columns
from segkit.training.module import OF_ALL
from segkit.training.stepwise import Stepwise
from segkit.training.waiting import Waiting


class MetricsFile(Stepwise):
    """Appends a row per step to metrics.csv; a resumed training first cuts what the checkpoint does not know.

    Args:
        path: of the file.
        clock: tells the seconds.
        labels: foreground labels, whose validation Dice get a column each.
        waiting: tells the seconds that a step waited for its patches.
    """

    def __init__(self, path: Path, clock: Clock, labels: Sequence[str], waiting: Waiting) -> None:
        self.path, self.clock, self.waiting = path, clock, waiting
        self.validated = dice_columns(labels)
        self.columns = [*STEP_COLUMNS, *self.validated]
        self.loss, self.validated_step = 0.0, 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin the file, or cut it back to the step that training goes on from."""
        kept: list[dict[str, str]] = []
        if self.path.exists():
            with self.path.open(encoding="utf-8", newline="") as file:
                kept = [row for row in csv.DictReader(file) if self.is_known(row, trainer.global_step)]
        with atomic_file(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({column: row.get(column, "") for column in self.columns} for row in kept)

    def is_known(self, row: dict[str, str], step: int) -> bool:
        """Say whether a row is whole, and of a step or validation that the checkpoint of `step` has behind it."""
        return is_before(row, self.validated_step if row.get("dice") else step)

    def append(self, row: dict[str, Any]) -> None:
        """Append one row, written through at once."""
        # Opened for each row: what was written stays when the training is killed.
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add up the loss of a step's batches."""
        self.loss += float(outputs[OF_ALL]) / trainer.accumulate_grad_batches
        super().on_train_batch_end(trainer, module, outputs, batch, batch_idx)

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Append the step that was just made, and hand it to the logger.

        Raises:
            SegkitError: when the loss is not a finite number.
        """
        loss, self.loss = self.loss, 0.0
        if not math.isfinite(loss):
            raise SegkitError(
                f"the loss is {loss} at step {trainer.global_step}: lower optimizer.lr, or pass training.precision=32"
            )
        rate = float(trainer.optimizers[0].param_groups[0]["lr"])
        found = {"loss": loss, "learning_rate": rate, "waiting": self.waiting.take()}
        for logger in trainer.loggers:
            logger.log_metrics(found, step=trainer.global_step)
        numbers = {name: f"{value:.6g}" for name, value in found.items()}
        self.append({"step": trainer.global_step, "seconds": f"{self.clock.elapsed:.2f}", **numbers})

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Append the Dice of a validation."""
        found = {name: f"{float(trainer.callback_metrics[name]):.5f}" for name in self.validated
                 if name in trainer.callback_metrics}  # fmt: skip
        self.append({"step": trainer.global_step, "seconds": f"{self.clock.elapsed:.2f}", **found})
        self.validated_step = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        """Return the step of the last validation that is behind this training."""
        return {"validated_step": self.validated_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from it."""
        self.validated_step = int(state_dict["validated_step"])


def is_before(row: dict[str, str], step: int) -> bool:
    """Say whether a row of metrics.csv is whole and was written at `step` or earlier."""
    number = row.get("step") or ""
    return number.isdigit() and int(number) <= step and None not in row.values()
