"""How far one case lies from its cohort."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from segkit.datasets.soundness.cases import Examination

FEWEST = 5  # cases, below which nothing is far from the others
NORMAL = 0.6745  # what makes the median absolute deviation of a normal distribution its standard deviation


def first_image(examined: Examination) -> object:
    """Return the first image of a case."""
    return next(iter(examined.case.images.values()))


@dataclass(frozen=True)
class Measure:
    """A number of each case that a cohort has in common.

    Attributes:
        what: it is, with its unit; follows the number in messages.
        value: of a case; None where it has none.
        floor: the least deviation that is believed, so that a cohort of equal values does not make every other one far.
        is_ratio: whether values compare by their ratio: then their natural logarithms are scored, `floor` is one of
            those, and values that are not above zero are left out.
        file: that a finding about it names.
    """

    what: str
    value: Callable[[Examination], float | None]
    floor: float
    is_ratio: bool = True
    file: Callable[[Examination], object] = first_image

    def scores(self, examined: Sequence[Examination]) -> Iterator[tuple[Examination, float, float, float]]:
        """Yield each case that has a value, the value, the cohort's median and the robust z."""
        known = [(each, value) for each in examined if (value := self.value(each)) is not None]
        known = [(each, value) for each, value in known if value > 0 or not self.is_ratio]
        if not known:
            return
        scores = robust_z([math.log(value) if self.is_ratio else value for _, value in known], self.floor)
        middle = float(np.median([value for _, value in known]))
        for (each, value), score in zip(known, scores, strict=True):
            yield each, value, middle, score


def robust_z(values: Sequence[float], floor: float) -> list[float]:
    """Return how far each value lies from the median, in standard deviations estimated by the median deviation.

    Args:
        values: of a cohort; with fewer than five nothing is far.
        floor: the least deviation that is believed.

    Source: Iglewicz and Hoaglin 1993, "How to detect and handle outliers", the modified z-score.
    """
    if len(values) < FEWEST:
        return [0.0] * len(values)
    array = np.asarray(values, dtype=np.float64)
    distance = array - np.median(array)
    deviation = max(float(np.median(np.abs(distance))), floor)
    return [float(score) for score in NORMAL * distance / deviation]
