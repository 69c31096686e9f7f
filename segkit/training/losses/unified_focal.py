"""The unified focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.cross_entropy import focal, weights_by_reference
from segkit.training.losses.overlap import Overlap, overlap, overlap_of
from segkit.training.losses.tversky import power


class UnifiedFocal(Loss):
    """A focal cross-entropy and a focal Tversky loss whose weights and exponents are one delta and one gamma.

    Asymmetric, the cross-entropy turns down well-predicted background voxels only, and the Tversky loss turns up the
    foreground only. Of regions the background is what is outside each.

    Args:
        focal_weight: of the cross-entropy, 0 to 1, the Tversky loss having the rest; lambda in the paper.
        delta: weight of foreground voxels and of misses, above 0.5 to 1; the background and false alarms have the rest.
        gamma: 0 to below 1: how far background is turned down and rare classes up.
        asymmetric: whether background and foreground differ in gamma too.

    Source: Yeung et al. 2022, Computerized Medical Imaging and Graphics 95, "Unified Focal loss". Both forms have the
    exponents gamma and 1 - gamma as in the authors' code; the paper swaps them in the symmetric one.
    """

    def __init__(
        self, focal_weight: float = 0.5, delta: float = 0.6, gamma: float = 0.5, *, asymmetric: bool = True
    ) -> None:
        super().__init__()
        self.focal_weight = focal_weight
        self.delta = delta
        self.gamma = gamma
        self.asymmetric = asymmetric

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return self.focal_weight * self.cross_entropy(seen) + (1 - self.focal_weight) * self.tversky(seen)

    def cross_entropy(self, seen: Comparison) -> Tensor:
        """Return the mean over voxels of the modified focal loss."""
        losses = focal(seen.surprise, self.gamma)
        if self.asymmetric:
            losses = torch.where(seen.is_foreground, seen.surprise, losses)
        return seen.mean(losses * weights_by_reference(seen, self.delta))

    def tversky(self, seen: Comparison) -> Tensor:
        """Return the mean over background and foreground channels of the modified focal Tversky loss."""
        counts = overlap(seen)
        behind, before = [
            1 - side.tversky(false_positives=1 - self.delta, false_negatives=self.delta)
            for side in (counts[:1] if seen.exclusive else outside(seen), counts[seen.foreground])
        ]
        common = behind if self.asymmetric else power(behind, 1 - self.gamma)
        return torch.cat((common, power(before, 1 - self.gamma))).mean()


def outside(seen: Comparison) -> Overlap:
    """Return the counts of what lies outside each region, shape (K,)."""
    return overlap_of(1 - seen.probabilities, ~seen.reference & seen.counted, seen.counted)
