"""Training on cases in which some labels were not drawn: what may be anything teaches nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segkit.config.labels import IGNORED, Labels
from segkit.foundation.errors import DataError
from segkit.preparation.store import PreparedCase

NEVER = -1e4  # a logit that no other class is compared with


def annotated_outputs(
    cases: Sequence[PreparedCase], unlabelled: Mapping[str, frozenset[str]], labels: Labels
) -> dict[str, NDArray[np.bool_]]:
    """Return for each case which of a network's outputs its reference speaks of; empty where it speaks of all in all.

    Args:
        cases: that train.
        unlabelled: by case the labels that nobody drew.
        labels: of the data set.

    Raises:
        DataError: when a reference holds a label that is said not to be drawn in it.
    """
    if not any(case.name in unlabelled for case in cases):
        return {}
    names = labels.foreground if labels.is_regions else tuple(labels.members)
    for case in cases:
        check_absent(case, unlabelled.get(case.name, frozenset()), labels)
    return {
        case.name: np.array([name not in unlabelled.get(case.name, frozenset()) for name in names]) for case in cases
    }


def check_absent(case: PreparedCase, absent: frozenset[str], labels: Labels) -> None:
    """Refuse a reference with voxels that only labels explain of which it is said that nobody drew them.

    Raises:
        DataError: naming case and labels.
    """
    for stored, count in enumerate(case.record["positions"], start=1):
        owners = [name for name, row in zip(labels.foreground, labels.membership, strict=True) if row[stored]]
        if count and owners and absent.issuperset(owners):  # a background of several values has no owner
            raise DataError(
                f"data.annotated: the reference of {case.name} holds {' and '.join(owners)}, not named in its column"
            )


def marginal(logits: Tensor, annotated: Tensor, *, is_regions: bool) -> Tensor:
    """Return logits in which what was not drawn can be background, or a region that is left alone.

    The probability of a class that was not drawn counts with the background's, since its voxels are background in that
    reference; no gradient tells the two apart. With every label drawn the logits are returned as they are.

    Args:
        logits: (N, K, *size), or (N, R, *size) of regions.
        annotated: which outputs each sample's reference speaks of, (N, K) or (N, R).
        is_regions: whether outputs are regions.

    Source: Fang & Yan 2020, IEEE Transactions on Medical Imaging 39; Shi et al. 2021, Medical Image Analysis 70,
        "Marginal loss".
    """
    if bool(annotated.all()):
        return logits
    shaped = annotated.reshape(*annotated.shape, *[1] * (logits.dim() - 2))
    if is_regions:
        return logits.masked_fill(~shaped, NEVER)
    merged = logits.masked_fill(shaped, float("-inf"))
    merged[:, 0] = logits[:, 0]
    background = torch.logsumexp(merged, dim=1, keepdim=True)
    kept = logits.masked_fill(~shaped, NEVER)
    return torch.cat([background, kept[:, 1:]], dim=1)


def without_undrawn(regions: Tensor, annotated: Tensor) -> Tensor:
    """Return regions in which those that were not drawn are empty, whatever values of others lie in them.

    Beside `marginal`'s logits such a region then adds nothing to any loss, nor to a Dice over the whole batch.

    Args:
        regions: (N, R, *size), 255 where ignored.
        annotated: which regions each sample's reference speaks of, (N, R).
    """
    undrawn = ~annotated.reshape(*annotated.shape, *[1] * (regions.dim() - 2))
    return regions.masked_fill(undrawn & (regions != IGNORED), 0)
