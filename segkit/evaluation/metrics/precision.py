"""Precision, the positive predictive value of a voxel."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def precision(pair: LabelPair) -> float:
    """Return |M ∩ R| / |M|: the fraction of the mask that is right, from 0 to 1.

    Source: Taha and Hanbury 2015, BMC Medical Imaging 15:29, "Precision (PPV)".
    """
    return pair.counts.true_positives / pair.counts.in_mask


METRIC = Metric(
    name="precision",
    unit="",
    definition="|mask ∩ reference| / |mask|",
    higher_is_better=True,
    compute=precision,
    one_empty=0.0,  # an empty mask predicts nothing that is right: the worst value, where 0/0 would hide the miss
    group="overlap",
    best=1.0,
)
