"""Soft Dice, alone and with a loss of single voxels."""

from __future__ import annotations

from torch import Tensor

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.cross_entropy import focal
from segkit.training.losses.overlap import mean_dice, overlap


class Dice(Loss):
    """1 - mean soft Dice over the foreground classes, or over the regions.

    Args:
        per_sample: whether Dice is of each sample rather than of the whole batch; a class that a patch lacks then
            costs a whole Dice for any trace of it predicted there.
        squared: whether the denominator sums squares of probabilities.

    Source: Drozdzal et al. 2016, "The importance of skip connections"; squares as in Milletari et al. 2016, "V-Net".
    """

    def __init__(self, *, per_sample: bool = False, squared: bool = False) -> None:
        super().__init__()
        self.per_sample = per_sample
        self.squared = squared

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        counts = overlap(seen, per_sample=self.per_sample, squared=self.squared)
        return 1 - counts[seen.foreground].dice().mean()


class DiceCrossEntropy(Loss):
    """Soft Dice over the whole batch plus cross-entropy.

    Args:
        dice_weight: of 1 - mean soft Dice over the foreground classes, or over the regions.
        cross_entropy_weight: of the mean cross-entropy over voxels, in nats; of regions the binary one.

    Source: Isensee et al. 2021, Nature Methods 18, "Loss function" and "Region-based training"; soft Dice as in
    Drozdzal et al. 2016.
    """

    def __init__(self, dice_weight: float = 1.0, cross_entropy_weight: float = 1.0) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.cross_entropy_weight = cross_entropy_weight

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return self.dice_weight * (1 - mean_dice(seen)) + self.cross_entropy_weight * seen.mean(seen.surprise)


class DiceFocal(Loss):
    """Soft Dice over the whole batch plus the focal loss.

    Args:
        dice_weight: of 1 - mean soft Dice over the foreground classes, or over the regions.
        focal_weight: of the mean focal loss over voxels.
        gamma: how far well-predicted voxels are turned down.

    Source: Zhu et al. 2019, Medical Physics 46, "AnatomyNet", with the focal loss of Lin et al. 2017.
    """

    def __init__(self, dice_weight: float = 1.0, focal_weight: float = 1.0, gamma: float = 2.0) -> None:
        super().__init__()
        self.dice_weight = dice_weight
        self.focal_weight = focal_weight
        self.gamma = gamma

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return self.dice_weight * (1 - mean_dice(seen)) + self.focal_weight * seen.mean(
            focal(seen.surprise, self.gamma)
        )
