"""Validation is the real prediction: whole cases, sliding windows, scored on the scan's own grid."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from segkit.config.labels import Labels
from segkit.config.options import InferenceOptions
from segkit.config.plan import Plan
from segkit.evaluation.cases import evaluate_arrays
from segkit.inference.restoring import mask_on_scan
from segkit.inference.sliding import sliding_logits
from segkit.preparation.store import PreparedCase
from segkit.training.worst_case import Slice, middle_slice
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.selection import Location


@dataclass
class Validator:
    """Predicts cases as `segkit predict` does and gathers their Dice.

    Attributes:
        plan: of the prepared cases.
        options: of inference.
        labels: of the data set.
        flips: prepared axes along which training flips.
        swapped: for each output the one that takes its place under a left-right flip.
        references: case name to reference file.
        scores: of the validation that is under way, a row per case.
        worst: a slice of the case with the lowest mean Dice in this validation, or the last one; None before any.
    """

    plan: Plan
    options: InferenceOptions
    labels: Labels
    flips: tuple[int, ...]
    swapped: list[int]
    references: Mapping[str, Location]
    scores: list[dict[str, float]] = field(default_factory=list)
    worst: Slice | None = None

    def score(self, network: nn.Module, case: PreparedCase) -> None:
        """Predict one case and keep the Dice of each foreground label; NaN where both masks are empty.

        No rules of postprocessing are applied: they are learnt once the training has ended.
        """
        logits, mask = self.predicted(network, case)
        reference, path = self.reference_of(case), str(self.references[case.name])
        scores = evaluate_arrays(mask, reference, case.scan_grid, self.labels.declared, reference_name=path)
        self.worst = self.worst if self.scores else None
        self.scores.append({name: metrics["dice"] for name, metrics in scores.items()})
        known = [value for value in self.scores[-1].values() if not math.isnan(value)]
        if known and (self.worst is None or fmean(known) < self.worst.dice):
            self.worst = middle_slice(case, logits, self.labels, dice=fmean(known), axis=self.plan.slice_axis)

    def predicted(self, network: nn.Module, case: PreparedCase) -> tuple[NDArray[np.float32], NDArray[np.integer]]:
        """Return a case's logits (outputs, X, Y, Z) on its prepared grid, and its mask's values on the scan's."""
        outputs = sliding_logits(network, case.image, self.plan, self.options, flips=self.flips, swapped=self.swapped)
        logits = outputs.cpu().numpy()
        return logits, mask_on_scan(logits, case.grid, case.scan_grid, self.labels)

    def reference_of(self, case: PreparedCase) -> NDArray[Any]:
        """Return the expert's values on the scan's grid, shape (X, Y, Z)."""
        path = self.references[case.name]
        return label_values(read(path), str(path), in_colour=self.labels.in_colour).reshape(case.scan_grid.shape)

    def means(self) -> dict[str, float]:
        """Return `dice` and `dice_LABEL` over the cases scored, and begin anew; labels that never occur have none."""
        cases, self.scores = self.scores, []
        per_label = {}
        for name in self.labels.foreground:
            values = [case[name] for case in cases if not math.isnan(case[name])]
            if values:
                per_label[f"dice_{name}"] = fmean(values)
        return {"dice": fmean(per_label.values()) if per_label else 0.0, **per_label}
