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
from segkit.evaluation.cases import evaluate_arrays, without_labels
from segkit.evaluation.settings import Settings
from segkit.inference.memory import activation_bytes, plan_work
from segkit.inference.restoring import as_values, labels_on_scan
from segkit.inference.streaming import Stream
from segkit.preparation.store import PreparedCase
from segkit.training.metrics_columns import dice_columns
from segkit.training.worst_case import Slice, middle_slice
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.selection import Location

DICE = Settings(compute=("dice",))


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
        unlabelled: by case the labels that nobody drew in its reference; they are not scored.
        activation: bytes of one window's way through the network; counted when the first case is predicted.
        scores: of the validation that is under way, a row per case.
        worst: a slice of the case with the lowest mean Dice in this validation, or the last one; None before any.
    """

    plan: Plan
    options: InferenceOptions
    labels: Labels
    flips: tuple[int, ...]
    swapped: list[int]
    references: Mapping[str, Location]
    unlabelled: Mapping[str, frozenset[str]] = field(default_factory=dict)
    activation: int | None = None
    scores: list[dict[str, float]] = field(default_factory=list)
    worst: Slice | None = None

    def score(self, network: nn.Module, case: PreparedCase) -> None:
        """Predict one case and keep the Dice of each foreground label; NaN where both masks are empty.

        No rules of postprocessing are applied: they are learnt once the training has ended.
        """
        prepared = np.empty(case.grid.shape, np.uint8)  # filled on the way, for the picture of the worst case
        mask = self.predicted(network, case, prepared)
        reference, path = self.reference_of(case), str(self.references[case.name])
        declared = self.labels.declared
        scores = evaluate_arrays(mask, reference, case.scan_grid, declared, DICE, reference_name=path)
        drawn = without_labels(scores, self.unlabelled.get(case.name, ()))
        self.worst = self.worst if self.scores else None  # the first case of a validation forgets the last one's
        self.scores.append({name: each["dice"] for name, each in drawn.items()})
        known = [value for value in self.scores[-1].values() if not math.isnan(value)]
        if known and (self.worst is None or fmean(known) < self.worst.dice):
            self.worst = middle_slice(case, prepared, self.labels, dice=fmean(known), axis=self.plan.slice_axis)

    def predicted(
        self, network: nn.Module, case: PreparedCase, settled: NDArray[np.uint8] | None = None
    ) -> NDArray[np.integer]:
        """Return the values of a case's mask, shape (X, Y, Z) of the scan's grid.

        Args:
            network: with the weights to predict by.
            case: prepared.
            settled: is given the mask's labels on the prepared grid, of whose shape it is; None: nobody asks for them.
        """
        if self.activation is None:
            self.activation = activation_bytes(network, self.plan, self.options.precision)
        stream = Stream([network], [self.flips], self.swapped, self.plan, case.image, case.grid, self.options)
        work = plan_work([stream], case.scan_grid, [self.activation], with_scores=False)
        return as_values(labels_on_scan(stream, case.scan_grid, self.labels, work, settled), self.labels)

    def reference_of(self, case: PreparedCase) -> NDArray[Any]:
        """Return the expert's values on the scan's grid, shape (X, Y, Z)."""
        path = self.references[case.name]
        # A picture's values lie in 2D, its prepared case in 3D.
        return label_values(read(path), str(path), in_colour=self.labels.in_colour).reshape(case.scan_grid.shape)

    def means(self) -> dict[str, float]:
        """Return `dice` and `dice_LABEL` over the cases scored, and begin anew; labels that never occur have none."""
        cases, self.scores = self.scores, []
        of_all, *of_labels = dice_columns(self.labels.foreground)
        means = {}
        for column, name in zip(of_labels, self.labels.foreground, strict=True):
            if values := [case[name] for case in cases if not math.isnan(case[name])]:
                means[column] = fmean(values)
        return {of_all: fmean(means.values()) if means else 0.0, **means}
