"""Sensitivity, the true positive rate or recall of a voxel."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def sensitivity(pair: LabelPair) -> float:
    """Return |M ∩ R| / |R|: the fraction of the reference that is found, from 0 to 1.

    Source: Taha and Hanbury 2015, BMC Medical Imaging 15:29, "Sensitivity (recall, TPR)".
    """
    return pair.counts.true_positives / pair.counts.in_reference


METRIC = Metric(
    name="sensitivity",
    unit="",
    definition="|mask ∩ reference| / |reference|",
    higher_is_better=True,
    compute=sensitivity,
    one_empty=0.0,  # against an empty reference every voxel is false: the worst value, where 0/0 would hide it
    group="overlap",
    best=1.0,
)
