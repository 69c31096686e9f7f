"""The boundary IoU."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric
from segkit.evaluation.surfaces.bands import band_of


def boundary_iou(pair: LabelPair) -> float:
    """Return |bM ∩ bR| / |bM ∪ bR|, from 0 to 1, where b keeps a mask's voxels near its outside.

    Near is a voxel that touches one outside, be it by a corner, or with `settings.boundary` one that is at most so many
    mm from one outside, centre to centre; beyond the image's border is outside. Cheng's band is as many pixels wide as
    2% of the image's diagonal and grows by squares; this one is the same for one pixel, and round beyond.

    Source: Cheng et al. 2021, CVPR, "Boundary IoU: improving object-centric image segmentation evaluation".
    """
    seen = pair.cropped
    ours, theirs = (band_of(mask, seen.steps, pair.settings.boundary) for mask in (seen.mask, seen.reference))
    union = int((ours | theirs).sum())
    return int((ours & theirs).sum()) / union if union else 0.0


METRIC = Metric(
    name="boundary_iou",
    unit="",
    definition="IoU of the voxels that touch the outside, or lie within metrics.boundary mm of it",
    higher_is_better=True,
    compute=boundary_iou,
    one_empty=0.0,
    group="surface",
    best=1.0,
)
