"""Centreline Dice, for tubes: vessels, airways, nerves."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.overlap import mean_dice

SMOOTH = 1.0  # the authors'; a soft skeleton is thin, and its counts are small
MAX_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class CentrelineDice(Loss):
    """Soft Dice plus the harmonic mean of how far each skeleton lies in the other mask, over the whole batch.

    Args:
        centreline_weight: of 1 - mean soft clDice over the foreground, 0 to 1, the Dice loss having the rest; alpha in
            the paper, at most 0.5 there.
        iterations: erosions of the soft skeleton, at least the radius in voxels of the thickest tube.

    Source: Shit et al. 2021, CVPR, "clDice: a novel topology-preserving loss function for tubular structure
    segmentation". There samples are single, here a class is counted over the batch as in Dice.
    """

    def __init__(self, centreline_weight: float = 0.5, iterations: int = 3) -> None:
        super().__init__()
        self.centreline_weight = centreline_weight
        self.iterations = iterations

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        centreline = self.centreline_dice(seen).mean()
        return (1 - self.centreline_weight) * (1 - mean_dice(seen)) + self.centreline_weight * (1 - centreline)

    def centreline_dice(self, seen: Comparison) -> Tensor:
        """Return the soft clDice of each foreground channel, in [0, 1]."""
        predicted = (seen.probabilities * seen.counted)[:, seen.foreground]
        reference = seen.reference[:, seen.foreground].to(predicted.dtype)
        precision = share_inside(soft_skeleton(predicted, self.iterations), reference)
        sensitivity = share_inside(soft_skeleton(reference, self.iterations), predicted)
        return 2 * precision * sensitivity / (precision + sensitivity)


def share_inside(skeleton: Tensor, mask: Tensor) -> Tensor:
    """Return the share of a soft skeleton (N, K, *size) that lies in a soft mask, for each channel, shape (K,)."""
    space = (0, *range(2, mask.dim()))
    return ((skeleton * mask).sum(space) + SMOOTH) / (skeleton.sum(space) + SMOOTH)


def soft_skeleton(mask: Tensor, iterations: int) -> Tensor:
    """Return what each of the erosions of a soft mask loses under opening, joined.

    Args:
        mask: (N, K, *size), 0 to 1, in 2D or 3D.
        iterations: erosions.

    Source: Shit et al. 2021, algorithm 1.
    """
    skeleton = (mask - opened(mask)).relu()
    for _ in range(iterations):
        mask = eroded(mask)
        ridge = (mask - opened(mask)).relu()
        skeleton = skeleton + (ridge - skeleton * ridge).relu()
    return skeleton


def opened(mask: Tensor) -> Tensor:
    """Return the largest value of the eroded mask in each voxel's neighbourhood of 3 per axis, shape of `mask`."""
    dims = mask.dim() - 2
    dilated: Tensor = MAX_POOL[dims](eroded(mask), kernel_size=3, stride=1, padding=1)
    return dilated


def eroded(mask: Tensor) -> Tensor:
    """Return the least value among each voxel and its neighbours along the axes, shape of `mask`, (N, K, *size)."""
    dims = mask.dim() - 2
    least = mask
    for axis in range(dims):
        kernel = [3 if other == axis else 1 for other in range(dims)]
        along: Tensor = MAX_POOL[dims](-mask, kernel_size=kernel, stride=1, padding=[size // 2 for size in kernel])
        least = torch.minimum(least, -along)
    return least
