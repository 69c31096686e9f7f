"""Soft counts of voxels and the overlap measures made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from segkit.training.losses.comparison import Comparison
from segkit.training.ranks import sum_of, world

SMOOTH = 1e-5  # keeps a class that is absent from both out of the gradient


@dataclass(frozen=True)
class Overlap:
    """Soft counts of voxels per channel, shape (K,), or (N, K) where samples are told apart.

    Attributes:
        shared: sum of probabilities inside the reference: soft true positives.
        predicted: sum of probabilities.
        referred: size of the reference.
    """

    shared: Tensor
    predicted: Tensor
    referred: Tensor

    def __getitem__(self, channels: slice) -> Overlap:
        """Return the counts of some channels."""
        return Overlap(self.shared[..., channels], self.predicted[..., channels], self.referred[..., channels])

    def dice(self) -> Tensor:
        """Return the soft Dice, in [0, 1]."""
        return (2 * self.shared + SMOOTH) / (self.predicted + self.referred + SMOOTH)

    def tversky(self, false_positives: float, false_negatives: float) -> Tensor:
        """Return the Tversky index, in [0, 1], with these weights of what is wrong; 0.5 and 0.5 make it the Dice."""
        wrong = false_positives * (self.predicted - self.shared) + false_negatives * (self.referred - self.shared)
        return (self.shared + SMOOTH) / (self.shared + wrong + SMOOTH)


def overlap(seen: Comparison, *, per_sample: bool = False, squared: bool = False) -> Overlap:
    """Count voxels softly, in every channel.

    Args:
        seen: a comparison.
        per_sample: whether samples of the batch are told apart.
        squared: whether `predicted` sums squares of probabilities.
    """
    return overlap_of(seen.probabilities, seen.reference, seen.counted, per_sample=per_sample, squared=squared)


def mean_dice(seen: Comparison) -> Tensor:
    """Return the mean soft Dice over the foreground classes, or over the regions, of the whole batch, in [0, 1]."""
    return overlap(seen)[seen.foreground].dice().mean()


def overlap_of(
    probabilities: Tensor, reference: Tensor, counted: Tensor, *, per_sample: bool = False, squared: bool = False
) -> Overlap:
    """Count voxels softly.

    Args:
        probabilities: (N, K, *size).
        reference: (N, K, *size), False where a voxel does not count.
        counted: which voxels count, broadcast over channels.
        per_sample: whether samples of the batch are told apart.
        squared: whether `predicted` sums squares of probabilities.
    """
    space = tuple(range(2, probabilities.dim())) if per_sample else (0, *range(2, probabilities.dim()))
    probabilities = probabilities * counted
    shared = (probabilities * reference).sum(space)
    predicted = (probabilities.square() if squared else probabilities).sum(space)
    referred = reference.sum(space).to(shared.dtype)
    if per_sample or world() == 1:
        return Overlap(shared, predicted, referred)
    return Overlap(*sum_of(torch.stack([shared, predicted, referred])))  # of the whole batch, which processes share
