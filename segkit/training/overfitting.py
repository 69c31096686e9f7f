"""One batch learnt by heart: a network, loss and references that cannot do this will not learn anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from segkit.config.labels import IGNORED
from segkit.training.module import Segmentation

ENOUGH = 0.99  # Dice
EVERY = 10  # steps between two looks at the Dice


@dataclass(frozen=True)
class Learnt:
    """How far it went.

    Attributes:
        dice: over all foreground voxels of the batch, at the end.
        steps: done.
    """

    dice: float
    steps: int

    @property
    def is_enough(self) -> bool:
        """Whether the batch was learnt."""
        return self.dice >= ENOUGH


def overfit(module: Segmentation, batch: Mapping[str, Tensor], *, steps: int, device: torch.device) -> Learnt:
    """Train on one batch, unaugmented, at the optimiser's full rate, until its Dice is 0.99 or the steps are done.

    Args:
        module: without augmentation; keeps what it learns here.
        batch: `image` (N, C, X, Y, Z) and `reference` (N, X, Y, Z).
        steps: at most.
        device: where it runs.
    """
    module.to(device).train()
    images, target = module.augmented({name: value.to(device) for name, value in batch.items()})
    optimizer = module.configure_optimizers()
    dice = 0.0
    for step in range(1, steps + 1):
        optimizer.zero_grad(set_to_none=True)
        loss = module.loss_of(module.network(images), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % EVERY == 0 or step == steps:
            dice = batch_dice(module, images, target)
            if dice >= ENOUGH:
                return Learnt(dice, step)
    return Learnt(dice, steps)


@torch.no_grad()
def batch_dice(module: Segmentation, images: Tensor, target: Tensor) -> float:
    """Return the Dice of all foreground voxels of a batch together, 1 where there is none.

    Args:
        module: in training mode, as its loss saw it.
        images: as the network sees them, (N, C, *size).
        target: classes (N, *size) or regions (N, R, *size), 255 where ignored.
    """
    outputs = module.network(images)
    logits = outputs if isinstance(outputs, Tensor) else outputs[0]
    if target.dim() == logits.dim():
        predicted, reference = logits > 0, target == 1
        agreed = predicted & reference
    else:
        classes = logits.argmax(dim=1)
        predicted, reference = classes > 0, (target > 0) & (target != IGNORED)
        agreed = reference & (classes == target)
    counted = target != IGNORED
    size = int((predicted & counted).sum() + reference.sum())
    return 2 * int(agreed.sum()) / size if size else 1.0
