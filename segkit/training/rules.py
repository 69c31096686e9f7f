"""Rules of postprocessing, learnt on the cases that validate once a training has ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segkit.config.rules import plain_rules
from segkit.foundation.console import progress, say, table
from segkit.foundation.plain import plain
from segkit.postprocessing.learning import COLUMNS, FEWEST_CASES, TEST, Learnt, learn_rules, rows, said_of
from segkit.preparation.store import PreparedCase
from segkit.training.validation import Validator


def learn_on(network: nn.Module, validator: Validator, cases: Sequence[PreparedCase], device: torch.device) -> Learnt:
    """Predict the cases that validate once more, with the final weights, and learn rules from their masks.

    The closing validation cannot serve: its time is on the training's clock, and a training that was killed after it
    does not validate again when it goes on. What is learnt depends on the weights and the cases alone.

    Args:
        network: with its final weights.
        validator: predicts as `segkit predict` does, and knows the references.
        cases: that validate.
        device: where the network is put.

    Returns:
        what was learnt; nothing, and nothing is predicted, with fewer than `FEWEST_CASES`. Cases in which labels were
        not drawn teach nothing.
    """
    cases = [case for case in cases if case.name not in validator.unlabelled]
    if len(cases) < FEWEST_CASES:
        return Learnt({}, (), tuple(sorted(case.name for case in cases)))
    network.to(device).eval()
    return learn_rules(masks_of(network, validator, cases), validator.labels)


def masks_of(
    network: nn.Module, validator: Validator, cases: Sequence[PreparedCase]
) -> Iterator[tuple[str, NDArray[np.integer], NDArray[Any], float]]:
    """Yield each case's name, mask, reference and volume of a voxel in mm3, one case at a time."""
    for case in progress(cases, what="postprocessing"):
        mask = validator.predicted(network, case)
        yield case.name, mask, validator.reference_of(case), case.scan_grid.voxel_mm3


def announce(learnt: Learnt) -> None:
    """Print what was learnt, and the evidence."""
    found = rows(learnt)
    if found:
        title = f"postprocessing tried on {len(learnt.cases)} validation cases, gains on those that did not choose it"
        table(title, COLUMNS, found)
    say(said_of(learnt))


def evidence_of(learnt: Learnt) -> dict[str, Any]:
    """Return what `postprocessing.json` holds."""
    return {
        "cases": list(learnt.cases),
        "needed": FEWEST_CASES,
        "test": TEST,
        "rules": plain_rules(learnt.rules),
        "evidence": plain(learnt.evidence),
    }
