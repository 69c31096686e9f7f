"""Intersection over union, the Jaccard index."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def iou(pair: LabelPair) -> float:
    """Return |M ∩ R| / |M ∪ R|, from 0 (apart) to 1 (equal); equals Dice / (2 - Dice).

    Source: Jaccard 1912, New Phytologist 11(2), "The distribution of the flora in the alpine zone".
    """
    counts = pair.counts
    return counts.true_positives / (counts.in_mask + counts.false_negatives)


METRIC = Metric(
    name="iou",
    unit="",
    definition="|mask ∩ reference| / |mask ∪ reference|",
    higher_is_better=True,
    compute=iou,
    one_empty=0.0,
    group="overlap",
    best=1.0,
)
