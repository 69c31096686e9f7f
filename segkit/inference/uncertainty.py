"""How sure networks are: of a voxel, of each other, and of a whole label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.inference.planes import FloatArray
from segkit.inference.scoring import HALF, Scores

TINY = np.float32(1e-30)  # p log p is 0 at 0
NOTHING = 0.5  # voxels: less than this of a label, in mask and probabilities together, is none of it


def entropy(probabilities: FloatArray, *, is_regions: bool) -> FloatArray:
    """Return how undecided each voxel is, 0 to 1.

    Args:
        probabilities: shape (rows, columns, K).
        is_regions: whether outputs are regions: the mean of their own entropies then, else one over classes.

    Returns:
        Shannon's entropy as a share of the largest possible, shape (rows, columns).
    """
    if is_regions:
        both = _summed(probabilities) + _summed(1 - probabilities)
        return np.asarray(both / (probabilities.shape[-1] * np.log(2)), np.float32).clip(0, 1)
    return np.asarray(_summed(probabilities) / np.log(probabilities.shape[-1]), np.float32).clip(0, 1)


def _summed(probabilities: FloatArray) -> FloatArray:
    logarithms = np.log(np.maximum(probabilities, TINY))
    return -np.asarray(np.einsum("ijk,ijk->ij", probabilities, logarithms))


def disagreement(scores: Scores) -> FloatArray:
    """Return how far the networks contradict each other, 0 to 1, shape (rows, columns).

    It is the mutual information between label and network: the entropy of their mean less the mean of their entropies,
    as a share of the largest entropy. Where each is undecided in the same way it is 0.

    Source: Houlsby et al. 2011, "Bayesian active learning for classification and preference learning", arXiv:1112.5745.
    """
    mean = np.zeros(scores.logits.shape[1:], np.float32)
    own = np.zeros(mean.shape[:2], np.float32)
    for member, weight in zip(scores.members, np.divide(scores.weights, sum(scores.weights)), strict=True):
        mean += member * np.float32(weight)
        own += entropy(member, is_regions=scores.is_regions) * np.float32(weight)
    return np.maximum(entropy(mean, is_regions=scores.is_regions) - own, 0)


class ExpectedDice:
    """The Dice of each label that probabilities let expect, summed up part by part.

    With p the probability of a label and m whether the mask has it: 2 sum(p m) / (sum(p) + sum(m)). Probabilities that
    are sure and wrong make it too high; it ranks cases better than it foretells their Dice.

    Source: Borges, Pacheco, Silva 2024, "Soft Dice Confidence", arXiv:2402.10665.

    Args:
        labels: names of the foreground labels.
        is_regions: whether outputs are regions.
    """

    def __init__(self, labels: Sequence[str], *, is_regions: bool) -> None:
        self.labels, self.is_regions = labels, is_regions
        self.inside, self.total, self.voxels = (np.zeros(len(labels)) for _ in range(3))

    def add(self, probabilities: FloatArray, places: NDArray[np.uint8]) -> None:
        """Add some voxels.

        Args:
            probabilities: shape (rows, columns, K).
            places: the class of each, shape (rows, columns); of regions it is not looked at.
        """
        if self.is_regions:
            has = probabilities > HALF
            self.inside += np.where(has, probabilities, 0).sum(axis=(0, 1), dtype=np.float64)
            self.total += probabilities.sum(axis=(0, 1), dtype=np.float64)
            self.voxels += has.sum(axis=(0, 1))
            return
        own = np.take_along_axis(probabilities, places[..., None].astype(np.intp), axis=-1)
        flat, count = places.reshape(-1), len(self.labels) + 1
        self.inside += np.bincount(flat, own.reshape(-1), minlength=count)[1:]
        self.total += probabilities.sum(axis=(0, 1), dtype=np.float64)[1:]
        self.voxels += np.bincount(flat, minlength=count)[1:]

    def values(self) -> dict[str, float | None]:
        """Return the expected Dice by label, None where there is nothing of a label, which has no Dice."""
        whole = self.total + self.voxels
        return {
            name: round(float(2 * inside / both), 6) if both >= NOTHING else None
            for name, inside, both in zip(self.labels, self.inside, whole, strict=True)
        }
