"""Overlap in which misses and false alarms weigh differently."""

from __future__ import annotations

from torch import Tensor

from segkit.foundation.errors import UsageError
from segkit.training.losses.comparison import Comparison, Loss
from segkit.training.losses.overlap import overlap

STEEPEST = 1e-5  # below it `power` goes on as a line


class Tversky(Loss):
    """1 - mean soft Tversky index over the foreground classes, or over the regions, of the whole batch.

    Args:
        false_positives: weight of probability outside the reference, alpha in the paper.
        false_negatives: weight of probability missing inside, beta in the paper; above `false_positives` it finds
            more at the price of false alarms.

    Source: Salehi et al. 2017, MLMI, "Tversky loss function for image segmentation".
    """

    def __init__(self, false_positives: float = 0.3, false_negatives: float = 0.7) -> None:
        super().__init__()
        self.false_positives = false_positives
        self.false_negatives = false_negatives

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return self.missing(seen).mean()

    def missing(self, seen: Comparison) -> Tensor:
        """Return 1 - the Tversky index of each foreground channel."""
        return 1 - overlap(seen)[seen.foreground].tversky(self.false_positives, self.false_negatives)


class FocalTversky(Tversky):
    """The mean over the foreground of (1 - Tversky index)^(1 / gamma).

    Args:
        false_positives: weight of probability outside the reference, beta in the paper.
        false_negatives: weight of probability missing inside, alpha in the paper.
        gamma: above 1 small structures that are predicted badly count more, 1 makes it the Tversky loss.

    Raises:
        UsageError: when `gamma` is not above 0.

    Source: Abraham & Khan 2019, ISBI, "A novel focal Tversky loss function", where classes are summed up.
    """

    def __init__(self, false_positives: float = 0.3, false_negatives: float = 0.7, gamma: float = 4 / 3) -> None:
        super().__init__(false_positives, false_negatives)
        if gamma <= 0:
            raise UsageError(f"loss.gamma: {gamma} is not above 0")
        self.gamma = gamma

    def of(self, seen: Comparison) -> Tensor:
        """Return the loss of a comparison."""
        return power(self.missing(seen), 1 / self.gamma).mean()


def power(base: Tensor, exponent: float) -> Tensor:
    """Return `base`^`exponent`, below `STEEPEST` the line to zero: an exponent below 1 has no slope there."""
    return base * base.clamp(min=STEEPEST) ** (exponent - 1)
