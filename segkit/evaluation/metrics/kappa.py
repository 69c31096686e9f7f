"""Cohen's kappa."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric


def kappa(pair: LabelPair) -> float:
    """Return the agreement of mask and reference beyond chance, over all voxels, from -1 to 1.

    (observed - expected) / (1 - expected), where expected is the agreement of two raters who give the label as often
    but at random. It depends on how much background the image holds. Where both say the label everywhere, there is no
    disagreement and it is 1.

    Source: Cohen 1960, Educational and Psychological Measurement 20(1), "A coefficient of agreement for nominal
    scales".
    """
    counts = pair.counts
    voxels = counts.in_mask + counts.false_negatives + counts.true_negatives
    missed = counts.false_positives + counts.false_negatives
    apart = counts.in_mask * (voxels - counts.in_reference) + counts.in_reference * (voxels - counts.in_mask)
    return 1 - missed * voxels / apart if apart else 1.0


METRIC = Metric(
    name="kappa",
    unit="",
    definition="(observed agreement - that expected by chance) / (1 - expected), over all voxels",
    higher_is_better=True,
    compute=kappa,
    one_empty=0.0,  # what the formula gives, too
    group="agreement",
    best=1.0,
)
