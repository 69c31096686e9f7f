"""The LightningModule."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segkit.config.labels import IGNORED
from segkit.foundation.counted import seed_from
from segkit.foundation.errors import UsageError
from segkit.inference.mirroring import as_images, network_logits
from segkit.networks.committee import members_of, shared_out
from segkit.preparation.store import PreparedCase
from segkit.training.augmentation import Augmentation
from segkit.training.fine_tuning import set_rates, trainable
from segkit.training.losses import supervised
from segkit.training.partial_labels import marginal, without_undrawn
from segkit.training.ranks import mean_of, of_first
from segkit.training.validation import Validator

OF_ALL = "loss_of_all"  # the mean over the processes that share a batch
DROPOUT = 3  # the stream of a step's own draws inside the network


class Segmentation(pl.LightningModule):
    """A network, what it learns by, and how it is validated.

    Args:
        network: (N, C, *size) to logits (N, K, *size), or a list of them, finest first, while training.
        loss: logits and classes (N, *size), or regions (N, R, *size), to a number.
        optimizer: parameters to an optimiser whose rates are the schedule's peaks.
        schedule: progress 0..1 to a factor on those rates.
        augmentation: of each batch; None: none.
        regions: which stored class belongs to which region, shape (R, classes); None where labels exclude each other.
        validator: predicts and scores whole cases; None where nothing validates.
        slice_axis: the patch axis that a 2D network does not see, None in 3D.
        progress: optimiser steps done to progress 0..1; None: of the steps that the trainer will make.
        rates: pattern of parameter names to a factor on their learning rate.
        seed: of draws inside the network.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        loss: nn.Module,
        optimizer: Callable[[Any], torch.optim.Optimizer],
        schedule: Callable[[float], float],
        augmentation: Augmentation | None = None,
        regions: NDArray[np.bool_] | None = None,
        validator: Validator | None = None,
        slice_axis: int | None = None,
        progress: Callable[[int], float] | None = None,
        rates: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.make_optimizer = optimizer
        self.schedule = schedule
        self.augmentation = augmentation
        # No buffer: what labels mean is in the model's record, and weights are weights alone.
        self.region_table = None if regions is None else region_table(regions)
        self.validator = validator
        self.slice_axis = slice_axis
        self.progress = progress or self.share_of_steps
        self.rates = rates or {}
        self.seed = seed

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, K, X, Y, Z) for patches (N, C, X, Y, Z)."""
        return network_logits(self.network, images, self.slice_axis)

    def share_of_steps(self, step: int) -> float:
        """Return how far a trainer of one's own is, 0 to 1.

        Raises:
            UsageError: when it has no end, as patches have none: a schedule would stand at its end from the start.
        """
        steps = self.trainer.estimated_stepping_batches
        if not 0 < steps < math.inf:
            raise UsageError(
                "how long the trainer trains is not known: give Trainer max_steps=N, or Segmentation progress"
            )
        return step / steps

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Make the optimiser and remember the rates it was given."""
        optimizer = self.make_optimizer(trainable(self.network))
        set_rates(optimizer, self.network, self.rates)
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        return optimizer

    def on_train_batch_start(self, batch: Mapping[str, Tensor], batch_idx: int) -> None:
        """Set the rates of this step."""
        # By the first process's clock: with rates of their own, the copies of one network would drift apart.
        factor = of_first(self.schedule(self.progress(self.global_step)), self)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = group["initial_lr"] * factor

    @torch.no_grad()
    def augmented(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Turn a batch of stored patches into images and what to train on, where the network lives."""
        images, references = batch["image"].float(), batch["reference"]
        if self.slice_axis is not None:
            images, references = as_images(images, self.slice_axis), references.squeeze(self.slice_axis + 1)
        if self.augmentation is not None:
            with torch.autocast(self.device.type, enabled=False):  # places in a patch need more than bf16's eight bits
                images, references = self.augmentation(images, references, batch["counter"].tolist())
        return images, references.long() if self.region_table is None else in_regions(references, self.region_table)

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        """Return the loss of a batch, and its mean over processes; dropout draws from its first sample's counter."""
        images, target = self.augmented(batch)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed_from(self.seed, *batch["counter"][0].tolist(), DROPOUT))
            outputs = self.network(images)
        if "annotated" in batch:
            outputs, target = self.speaking(outputs, target, batch["annotated"])
        loss = self.loss_of(outputs, target)
        return {"loss": loss, OF_ALL: mean_of(loss)}

    def speaking(
        self, outputs: Tensor | Sequence[Tensor], target: Tensor, annotated: Tensor
    ) -> tuple[Tensor | list[Tensor], Tensor]:
        """Return outputs and target, shapes as given, such that labels that nobody drew in a reference teach nothing.

        Args:
            outputs: logits (N, K, *size), or a list of them, finest first.
            target: classes (N, *size) or regions (N, R, *size).
            annotated: of which outputs each sample's reference speaks, (N, K) or (N, R).
        """
        is_regions = self.region_table is not None
        target = without_undrawn(target, annotated) if is_regions else target
        if isinstance(outputs, Tensor):
            return marginal(outputs, annotated, is_regions=is_regions), target
        return [marginal(output, annotated, is_regions=is_regions) for output in outputs], target

    def loss_of(self, outputs: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
        """Return the loss of a network's outputs, deeply supervised where there are several; of members their mean."""
        shares = shared_out(outputs, target, members_of(self.network))
        return torch.stack([supervised(self.loss, *share) for share in shares]).mean()

    def validation_step(self, case: PreparedCase, batch_idx: int) -> None:
        """Predict and score one whole case."""
        if self.validator is not None:
            self.validator.score(self.network, case)

    def on_validation_epoch_end(self) -> None:
        """Log mean Dice per label and over labels."""
        if self.validator is not None:
            self.log_dict(self.validator.means())


def region_table(regions: NDArray[np.bool_]) -> Tensor:
    """Return, for each stored class 0..255, its membership of each region, shape (256, R); ignored ones stay 255."""
    table = torch.zeros((IGNORED + 1, len(regions)), dtype=torch.uint8)
    table[: regions.shape[1]] = torch.from_numpy(regions.T.astype(np.uint8))
    table[IGNORED] = IGNORED
    return table


def in_regions(classes: Tensor, table: Tensor) -> Tensor:
    """Turn stored classes (N, *size) into regions (N, R, *size)."""
    return table.to(classes.device)[classes.long()].movedim(-1, 1)
