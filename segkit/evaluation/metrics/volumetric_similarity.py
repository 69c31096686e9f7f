"""Volumetric similarity."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def volumetric_similarity(pair: LabelPair) -> float:
    """Return 1 - ||M| - |R|| / (|M| + |R|), from 0 to 1: 1 for equal volumes, wherever they lie.

    Source: Taha and Hanbury 2015, BMC Medical Imaging 15:29, "Volumetric similarity (VS)".
    """
    counts = pair.counts
    return 1 - abs(counts.in_mask - counts.in_reference) / (counts.in_mask + counts.in_reference)


METRIC = Metric(
    name="volumetric_similarity",
    unit="",
    definition="1 - ||mask| - |reference|| / (|mask| + |reference|)",
    higher_is_better=True,
    compute=volumetric_similarity,
    one_empty=0.0,
    group="agreement",
    best=1.0,
)
