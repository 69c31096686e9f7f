"""The signed volume difference."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def volume_difference(pair: LabelPair) -> float:
    """Return V(mask) - V(reference) in ml: positive where the mask is too large.

    Signed, so that its mean over cases is the bias of Bland and Altman and its standard deviation gives their limits
    of agreement. In absolute ml, since a percentage of the reference has no value where the reference is empty.

    Source: Bland and Altman 1986, Lancet 327(8476), "Statistical methods for assessing agreement between two methods
    of clinical measurement".
    """
    return (pair.counts.in_mask - pair.counts.in_reference) * pair.voxel_ml


METRIC = Metric(
    name="volume_difference",
    unit="ml",
    definition="volume of the mask - volume of the reference, in ml",
    higher_is_better=None,
    compute=volume_difference,
    one_empty=None,  # the volume of the other mask, with its sign; 0 would say that the volumes agree
    group="overlap",
    best=0.0,
)
