"""The generalised Dice."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.overlap import SMOOTH, overlap


class GeneralisedDice(Loss):
    """1 - one Dice over all classes, background included, or over all regions, small ones counting as much as large.

    A class weighs by the inverse square of its size in the batch; one that is absent weighs as much as the smallest
    that is present.

    Source: Sudre et al. 2017, DLMIA, "Generalised Dice overlap as a deep learning loss function".
    """

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        counts = overlap(seen)
        weights = inverse_squares(counts.referred)
        shared = (weights * counts.shared).sum()
        sizes = (weights * (counts.predicted + counts.referred)).sum()
        return 1 - (2 * shared + SMOOTH) / (sizes + SMOOTH)


def inverse_squares(sizes: Tensor) -> Tensor:
    """Return weights by the inverse squares of sizes, relative to the smallest that is not 0, shape (K,).

    Being relative they leave `SMOOTH` small beside the sums, whatever the patch's size.
    """
    present = sizes > 0
    smallest = torch.where(present, sizes, torch.inf).amin()
    return torch.where(present, (smallest / sizes.clamp(min=1)).square(), 1)
