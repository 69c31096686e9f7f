"""The LightningDataModule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from segkit.config.plan import Plan
from segkit.foundation.errors import UsageError
from segkit.preparation.store import PreparedCase
from segkit.training.ranks import share_of
from segkit.training.readers import Readers
from segkit.training.sampling import CountedBatches, PatchDataset, Sample


def uncollated(cases: Sequence[PreparedCase]) -> PreparedCase:
    """Return the case of a batch of one, as it is: whole cases differ in size and make no larger batch."""
    return cases[0]


def check_epochs(trainer: pl.Trainer) -> None:
    """Refuse a trainer of one's own whose epochs would all begin at the same patches: they count steps, not epochs.

    Raises:
        UsageError: with what to give the trainer.
    """
    # 1.0, all of them, is an epoch without end.
    has_end = isinstance(trainer.limit_train_batches, int) and trainer.max_epochs != 1
    if has_end and trainer.reload_dataloaders_every_n_epochs != 1:  # type: ignore[attr-defined]
        raise UsageError(
            "every epoch would see the patches of the first: give Trainer max_steps=N instead of epochs, or "
            "reload_dataloaders_every_n_epochs=1"
        )


class Patches(pl.LightningDataModule):
    """Patches to train on, whole prepared cases to validate on.

    Use `Trainer(max_steps=N, use_distributed_sampler=False)`: the sampler itself gives each rank its share.

    Args:
        training: cases that train.
        validation: cases that validate; may be empty.
        plan: patch size and batch.
        seed: of every draw.
        foreground: share of patches centred on a labelled voxel.
        workers: processes that read patches; what is read does not depend on it.
        annotated: by case which of the network's outputs its reference speaks of; empty: all in all.
        stalled_after: seconds without a patch from the workers, after which they are replaced; None: never.
    """

    def __init__(
        self,
        training: Sequence[PreparedCase],
        validation: Sequence[PreparedCase],
        plan: Plan,
        *,
        seed: int,
        foreground: float,
        workers: int = 0,
        annotated: Mapping[str, NDArray[np.bool_]] | None = None,
        stalled_after: float | None = None,
    ) -> None:
        super().__init__()
        self.training, self.validation = training, validation
        self.plan, self.seed, self.foreground, self.workers = plan, seed, foreground, workers
        self.annotated = annotated or {}
        self.stalled_after = stalled_after

    def train_dataloader(self) -> DataLoader[Sample] | Readers:
        """Return batches without end, from the step that the trainer stands at.

        Raises:
            UsageError: when processes cannot share a batch evenly, or epochs would all see the same patches.
        """
        trainer = self.trainer
        if trainer is not None:
            check_epochs(trainer)
        processes = 1 if trainer is None else trainer.world_size
        place = {} if trainer is None else {
            "start": trainer.global_step, "rank": trainer.global_rank, "accumulate": trainer.accumulate_grad_batches,
        }  # fmt: skip
        patches = PatchDataset(
            self.training, self.plan.patch, self.seed, self.foreground, self.annotated, self.plan.neighbours
        )
        batches = CountedBatches(share_of(self.plan, processes), **place)
        pinned = trainer is not None and trainer.strategy.root_device.type == "cuda"
        if self.workers:
            return Readers(patches, batches, self.workers, self.stalled_after, pin_memory=pinned)
        return DataLoader(patches, batch_sampler=batches, pin_memory=pinned)  # type: ignore[arg-type]

    def val_dataloader(self) -> DataLoader[PreparedCase]:
        """Return whole cases, one at a time."""
        return DataLoader(self.validation, batch_size=1, collate_fn=uncollated)  # type: ignore[arg-type]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Move patches to the network; whole cases stay on disk until they are read."""
        if isinstance(batch, PreparedCase):
            return batch
        return super().transfer_batch_to_device(batch, device, dataloader_idx)
