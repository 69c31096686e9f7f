"""Whether probabilities mean what they say: expected calibration error, Brier score and the reliability diagram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError

SLAB = 1 << 20  # voxels looked at together: some 30 MB


@dataclass(frozen=True, eq=False)
class Reliability:
    """Voxels by the probability that they were given, in bins of equal width from 0 to 1.

    Attributes:
        voxels: in each bin, shape (bins,).
        confident: sum of their probabilities, shape (bins,).
        true: how many of them the reference gives the label, shape (bins,).
        squares: sum of (probability - truth)^2 over all voxels.
    """

    voxels: NDArray[np.int64]
    confident: NDArray[np.float64]
    true: NDArray[np.int64]
    squares: float

    def __add__(self, other: Reliability) -> Reliability:
        """Return the bins of both, as over several cases."""
        return Reliability(
            self.voxels + other.voxels,
            self.confident + other.confident,
            self.true + other.true,
            self.squares + other.squares,
        )

    @property
    def expected_error(self) -> float:
        """The mean over voxels of |mean probability - frequency| of their bin, from 0 to 1.

        Source: Naeini et al. 2015, AAAI, "Obtaining well calibrated probabilities using Bayesian binning", ECE; of one
        label against all others, as Guo et al. 2017, ICML, "On calibration of modern neural networks".
        """
        return float(np.abs(self.confident - self.true).sum() / self.voxels.sum())

    @property
    def brier(self) -> float:
        """The mean over voxels of (probability - truth)^2, from 0 to 1.

        Source: Brier 1950, Monthly Weather Review 78(1), "Verification of forecasts expressed in terms of probability".
        """
        return self.squares / int(self.voxels.sum())


def reliability_of(
    probability: NDArray[Any], inside: NDArray[np.bool_], bins: int = 15, *, scored: NDArray[np.bool_] | None = None
) -> Reliability:
    """Sort voxels into bins by their probability.

    Args:
        probability: of one label at each voxel, from 0 to 1, shape (X, Y[, Z]).
        inside: whether the reference gives it that label, same shape.
        bins: how many; each holds its lower end, the last its upper end too.
        scored: which voxels count, same shape; None means all.

    Raises:
        DataError: when a probability is not between 0 and 1, or no voxel counts.
    """
    voxels, true, confident = np.zeros(bins, np.int64), np.zeros(bins, np.int64), np.zeros(bins)
    squares = 0.0
    flat, truths = probability.reshape(-1), inside.reshape(-1)
    counting = None if scored is None else scored.reshape(-1)
    for start in range(0, flat.size, SLAB):
        part = slice(start, start + SLAB)
        values, truth = flat[part].astype(np.float64), truths[part]
        if counting is not None:
            values, truth = values[counting[part]], truth[counting[part]]
        if not ((values >= 0) & (values <= 1)).all():
            raise DataError("probabilities lie between 0 and 1: these do not")
        places = np.minimum((values * bins).astype(np.intp), bins - 1)
        voxels += np.bincount(places, minlength=bins)
        true += np.bincount(places[truth], minlength=bins)
        confident += np.bincount(places, weights=values, minlength=bins)
        squares += float(((values - truth) ** 2).sum())
    if not voxels.sum():
        raise DataError("no voxel is left whose probability could be compared with the reference")
    return Reliability(voxels, confident, true, squares)
