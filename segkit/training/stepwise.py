"""A callback that counts optimiser steps, however many batches one accumulates."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback


class Stepwise(Callback):
    """Hears of each optimiser step once, after the last of its batches.

    Only there is a training whole: between the batches of a step, gradients wait that no checkpoint holds.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Hand on what ends a step."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.after_step(trainer, module)

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Do what is done once a step."""
