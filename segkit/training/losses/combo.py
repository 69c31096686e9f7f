"""The combo loss."""

from __future__ import annotations

from torch import Tensor

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.cross_entropy import weights_by_reference
from segkit.training.losses.overlap import mean_dice


class Combo(Loss):
    """A cross-entropy in which misses and false alarms weigh differently, and soft Dice over the whole batch.

    Args:
        alpha: weight of the cross-entropy, 0 to 1; the Dice loss has the rest.
        beta: weight of foreground voxels in the cross-entropy, 0 to 1, background ones having the rest: above 0.5 it
            punishes misses more than false alarms.

    Source: Taghanaki et al. 2019, Computerized Medical Imaging and Graphics 75, "Combo loss". There Dice is
    subtracted, here 1 - Dice is added, so that the least is 0; of classes, a voxel's cross-entropy is that of softmax.
    """

    def __init__(self, alpha: float = 0.5, beta: float = 0.5) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        cross_entropy = seen.mean(seen.surprise * weights_by_reference(seen, self.beta))
        return self.alpha * cross_entropy + (1 - self.alpha) * (1 - mean_dice(seen))
