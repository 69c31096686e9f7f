"""Cross-entropies that look more closely at voxels that are predicted badly."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.foundation.errors import UsageError
from segkit.training.losses.comparison import Comparison, Loss

SUREST = 1e-7  # the slope of a power below one has no bound at zero


def focal(surprise: Tensor, gamma: float) -> Tensor:
    """Return (1 - p)^gamma * -log p of each voxel, from its surprise -log p.

    Source: Lin et al. 2017, "Focal loss for dense object detection", equation 4.
    """
    missed = -torch.expm1(-surprise)
    return missed.clamp(min=SUREST) ** gamma * surprise


def weights_by_reference(seen: Comparison, foreground: float) -> Tensor:
    """Return `foreground` where the reference has any foreground, 1 - `foreground` elsewhere; shape of `counted`."""
    return torch.where(seen.is_foreground, foreground, 1 - foreground)


class Focal(Loss):
    """The mean over voxels of a cross-entropy that turns down those predicted well.

    Args:
        gamma: exponent of 1 - p, p being the probability of what is so; 0 makes it the cross-entropy.
        alpha: weight of foreground voxels, 0 to 1, background ones having 1 - alpha; None: all count 1.

    Source: Lin et al. 2017, "Focal loss for dense object detection", equations 4 and 5. There the sum is divided by
    the boxes that hold an object, here by the voxels that count.
    """

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        losses = focal(seen.surprise, self.gamma)
        return seen.mean(losses if self.alpha is None else losses * weights_by_reference(seen, self.alpha))


class TopKCrossEntropy(Loss):
    """The mean cross-entropy over the share of the batch's voxels that are predicted worst.

    Args:
        share: of the voxels that count, above 0 to 1; at least one voxel is kept.

    Raises:
        UsageError: when `share` is not in (0, 1].

    Source: Wu et al. 2016, "Bridging category-level and instance-level semantic image segmentation"; a tenth, as in
    nnU-Net's TopK10.
    """

    def __init__(self, share: float = 0.1) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise UsageError(f"loss.share: {share} is not above 0 and at most 1")
        self.share = share

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        most = max(1, int(self.share * seen.surprise.numel()))
        # How many count is known on the device only: ranks are compared with it there, without waiting for the number.
        kept = (self.share * seen.counted.sum()).floor().clamp(1, most)
        worst = seen.surprise.flatten().topk(most).values
        return torch.where(torch.arange(most, device=worst.device) < kept, worst, 0).sum() / kept
