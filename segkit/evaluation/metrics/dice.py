"""The Dice similarity coefficient."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def dice(pair: LabelPair) -> float:
    """Return 2 |M ∩ R| / (|M| + |R|), from 0 (apart) to 1 (equal).

    Source: Dice 1945, Ecology 26(3), "Measures of the amount of ecologic association between species".
    """
    return 2 * pair.counts.true_positives / (pair.counts.in_mask + pair.counts.in_reference)


METRIC = Metric(
    name="dice",
    unit="",
    definition="2 |mask ∩ reference| / (|mask| + |reference|)",
    higher_is_better=True,
    compute=dice,
    one_empty=0.0,
    group="overlap",
    best=1.0,
)
