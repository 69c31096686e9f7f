"""Losses on logits; each takes logits (N, K, *size) and classes (N, *size) and returns a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

SMOOTH = 1e-5  # keeps a class that is absent from both out of the gradient


class DiceCrossEntropy(nn.Module):
    """Soft Dice over the whole batch plus cross-entropy, in float32 whatever the network computes in.

    Args:
        dice_weight: of 1 - mean soft Dice over the foreground classes.
        cross_entropy_weight: of the mean cross-entropy over voxels, in nats.

    Shape:
        logits (N, K, *size), classes (N, *size) of integers 0..K-1; the result is a scalar.

    Source: Isensee et al. 2021, Nature Methods 18, "Loss function"; soft Dice as in Drozdzal et al. 2016.
    """

    def __init__(self, dice_weight: float = 1.0, cross_entropy_weight: float = 1.0) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.cross_entropy_weight = cross_entropy_weight

    def forward(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the loss."""
        with torch.autocast(logits.device.type, enabled=False):
            log_probabilities = logits.float().log_softmax(dim=1)
            cross_entropy = functional.nll_loss(log_probabilities, classes)
            dice = soft_dice(log_probabilities.exp(), classes)
        return self.dice_weight * (1 - dice.mean()) + self.cross_entropy_weight * cross_entropy


def soft_dice(probabilities: Tensor, classes: Tensor) -> Tensor:
    """Return the soft Dice of each foreground class over the whole batch.

    Args:
        probabilities: (N, K, *size).
        classes: (N, *size), integers 0..K-1.

    Returns:
        shape (K - 1,), each in [0, 1].
    """
    space = (0, *range(2, probabilities.dim()))
    reference = functional.one_hot(classes, probabilities.shape[1]).movedim(-1, 1)
    overlap = (probabilities * reference).sum(space)[1:]
    size = (probabilities.sum(space) + reference.sum(space))[1:]
    return (2 * overlap + SMOOTH) / (size + SMOOTH)


def supervised(loss: nn.Module, outputs: Tensor | Sequence[Tensor], classes: Tensor) -> Tensor:
    """Apply a loss to each output of a deeply supervised network, each coarser one counting half of the finer.

    Args:
        loss: of one output.
        outputs: logits, or a list of them, finest first.
        classes: (N, *size) of the finest; coarser ones see the nearest voxels.

    Source: Isensee et al. 2021, Nature Methods 18, "Deep supervision".
    """
    if isinstance(outputs, Tensor):
        value: Tensor = loss(outputs, classes)
        return value
    weights = [0.5**index for index in range(len(outputs))]
    total = torch.zeros((), device=classes.device)
    for weight, output in zip(weights, outputs, strict=True):
        coarse = functional.interpolate(classes[:, None].float(), output.shape[2:], mode="nearest-exact")
        total = total + weight / sum(weights) * loss(output, coarse[:, 0].long())
    return total
