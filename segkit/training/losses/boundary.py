"""The boundary loss."""

from __future__ import annotations

from torch import Tensor

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.distances import signed_distances
from segkit.training.losses.generalised_dice import GeneralisedDice


class Boundary(Loss):
    """The generalised Dice loss plus how far predicted voxels lie outside the boundary of the reference.

    The second term is the mean, over counted voxels and foreground channels, of the probability times the signed
    distance to the boundary in voxels of the patch: negative inside, so that it falls below zero. A class that a
    sample lacks, or fills, has no boundary there and adds nothing. Voxels that do not count are taken to lie outside.

    Args:
        boundary_weight: of the boundary term.
        region_weight: of the generalised Dice loss, which keeps the boundary term from an empty prediction.

    Source: Kervadec et al. 2019, MIDL, "Boundary loss for highly unbalanced segmentation". There the weight grows by
    0.01 in each epoch, here it stays.
    """

    def __init__(self, boundary_weight: float = 0.01, region_weight: float = 1.0) -> None:
        super().__init__()
        self.boundary_weight = boundary_weight
        self.region_weight = region_weight
        self.region = GeneralisedDice()

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return self.region_weight * self.region.of(seen) + self.boundary_weight * mean_distance(seen)


def mean_distance(seen: Comparison) -> Tensor:
    """Return the mean signed distance of the predicted foreground from the reference's boundary, in voxels."""
    probabilities, masks = seen.probabilities[:, seen.foreground], seen.reference[:, seen.foreground]
    counted = seen.counted.expand_as(seen.probabilities)[:, seen.foreground]
    return (probabilities * signed_distances(masks) * counted).sum() / counted.sum().clamp(min=1)
