"""Centreline Dice, for tubes such as vessels and airways."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.centrelines import centreline_of
from segkit.evaluation.metrics import LabelPair, Metric


def cldice(pair: LabelPair) -> float:
    """Return the harmonic mean of the shares of each centreline that lies in the other mask, from 0 to 1.

    Centrelines are thinned voxels; their length is counted in voxels, so that spacing does not enter.

    Source: Shit et al. 2021, CVPR, "clDice: a novel topology-preserving loss function for tubular structure
    segmentation".
    """
    seen = pair.cropped
    precise = _share(centreline_of(seen.mask), seen.reference)
    sensitive = _share(centreline_of(seen.reference), seen.mask)
    return 2 * precise * sensitive / (precise + sensitive) if precise + sensitive else 0.0


def _share(centreline: NDArray[np.bool_], mask: NDArray[np.bool_]) -> float:
    return int((centreline & mask).sum()) / int(centreline.sum())


METRIC = Metric(
    name="cldice",
    unit="",
    definition="harmonic mean of the shares of each mask's centreline that the other mask holds",
    higher_is_better=True,
    compute=cldice,
    one_empty=0.0,
    group="centreline",
    best=1.0,
    needs_package=("skimage", "centrelines"),
)
