"""Losses on logits: of classes of which a voxel has one, or of regions of which it may have several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.config.labels import IGNORED

SMOOTH = 1e-5  # keeps a class that is absent from both out of the gradient


class DiceCrossEntropy(nn.Module):
    """Soft Dice over the whole batch plus cross-entropy, in float32 whatever the network computes in.

    Args:
        dice_weight: of 1 - mean soft Dice over the foreground classes, or over the regions.
        cross_entropy_weight: of the mean cross-entropy over voxels, in nats; of regions the binary one.

    Shape:
        logits (N, K, *size) with classes (N, *size) of integers 0..K-1 (softmax), or with regions (N, K, *size) of 0
        and 1 (sigmoid each); voxels of 255 count nowhere. The result is a scalar.

    Source: Isensee et al. 2021, Nature Methods 18, "Loss function" and "Region-based training"; soft Dice as in
    Drozdzal et al. 2016.
    """

    def __init__(self, dice_weight: float = 1.0, cross_entropy_weight: float = 1.0) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.cross_entropy_weight = cross_entropy_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        terms = of_regions if target.dim() == logits.dim() else of_classes
        with torch.autocast(logits.device.type, enabled=False):
            dice, cross_entropy = terms(logits.float(), target)
        return self.dice_weight * (1 - dice.mean()) + self.cross_entropy_weight * cross_entropy


def of_classes(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the soft Dice of each foreground class and the mean cross-entropy.

    Args:
        logits: (N, K, *size).
        classes: (N, *size), integers 0..K-1, or 255 where a voxel counts nowhere.
    """
    log_probabilities = logits.log_softmax(dim=1)
    counted = classes != IGNORED
    summed = functional.nll_loss(log_probabilities, classes, ignore_index=IGNORED, reduction="sum")
    reference = functional.one_hot(torch.where(counted, classes, 0), logits.shape[1]).movedim(-1, 1)
    dice = soft_dice(log_probabilities.exp(), reference, counted[:, None])[1:]
    return dice, summed / counted.sum().clamp(min=1)


def of_regions(logits: Tensor, regions: Tensor) -> tuple[Tensor, Tensor]:
    """Return the soft Dice of each region and the mean binary cross-entropy.

    Args:
        logits: (N, R, *size).
        regions: (N, R, *size), 0 or 1, or 255 where a voxel counts nowhere.
    """
    counted = regions != IGNORED
    reference = torch.where(counted, regions, 0).float()
    losses = functional.binary_cross_entropy_with_logits(logits, reference, reduction="none")
    return soft_dice(logits.sigmoid(), reference, counted), (losses * counted).sum() / counted.sum().clamp(min=1)


def soft_dice(probabilities: Tensor, reference: Tensor, counted: Tensor) -> Tensor:
    """Return the soft Dice of each channel over the whole batch.

    Args:
        probabilities: (N, K, *size).
        reference: (N, K, *size), 0 or 1.
        counted: which voxels count, broadcast over channels.

    Returns:
        shape (K,), each in [0, 1].
    """
    space = (0, *range(2, probabilities.dim()))
    probabilities, reference = probabilities * counted, reference * counted
    overlap = (probabilities * reference).sum(space)
    size = probabilities.sum(space) + reference.sum(space)
    return (2 * overlap + SMOOTH) / (size + SMOOTH)


def supervised(loss: nn.Module, outputs: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
    """Apply a loss to each output of a deeply supervised network, each coarser one counting half of the finer.

    Args:
        loss: of one output.
        outputs: logits, or a list of them, finest first.
        target: classes (N, *size) or regions (N, R, *size) of the finest; coarser ones see the nearest voxels.

    Source: Isensee et al. 2021, Nature Methods 18, "Deep supervision".
    """
    if isinstance(outputs, Tensor):
        value: Tensor = loss(outputs, target)
        return value
    weights = [0.5**index for index in range(len(outputs))]
    total = torch.zeros((), device=target.device)
    for weight, output in zip(weights, outputs, strict=True):
        total = total + weight / sum(weights) * loss(output, at_size(target, output))
    return total


def at_size(target: Tensor, output: Tensor) -> Tensor:
    """Return classes or regions at the voxels nearest to those of an output."""
    stacked = target if target.dim() == output.dim() else target[:, None]
    coarse = functional.interpolate(stacked.float(), output.shape[2:], mode="nearest-exact").to(target.dtype)
    return coarse if target.dim() == output.dim() else coarse[:, 0]
