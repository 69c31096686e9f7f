"""What is kept of a case while rules are learnt: the components of its labels, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.rules import Rule
from segkit.postprocessing.applying import holes_in, least_voxels, part_of, written
from segkit.postprocessing.components import Connectivity, connected, sizes_of


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a label in one mask.

    Those of one size share a row, so that a mask of N voxels has less than sqrt(2 N) rows however noisy it is.

    Attributes:
        sizes: voxels of a component, ascending, shape (rows,).
        numbers: how many have that size.
        scored: voxels in them that count: all but the ignored ones.
        hits: voxels in them that the reference has too.
        largest: scored and hits of the one that `keep_largest` keeps.
    """

    sizes: NDArray[np.int64]
    numbers: NDArray[np.int64]
    scored: NDArray[np.int64]
    hits: NDArray[np.int64]
    largest: tuple[int, int]

    def after(self, rule: Rule, voxel_mm3: float) -> tuple[int, int]:
        """Return scored voxels and hits of what a rule keeps; either `keep_largest` or `smallest_mm3` is looked at."""
        if rule.keep_largest:
            return self.largest
        kept = self.sizes >= least_voxels(rule.smallest_mm3, voxel_mm3)
        return int(self.scored[kept].sum()), int(self.hits[kept].sum())


NONE = np.zeros(0, np.int64)
NOTHING = Components(NONE, NONE, NONE, NONE, largest=(0, 0))


@dataclass(frozen=True, eq=False)
class Tally:
    """One label of one case.

    Attributes:
        plain: its components as predicted.
        filled: the same once its holes are filled; `plain` itself where it has none.
        reference: voxels of the reference.
        voxel_mm3: volume of a voxel.
    """

    plain: Components
    filled: Components
    reference: int
    voxel_mm3: float

    def dice(self, rule: Rule) -> float:
        """Return the Dice of the label after a rule; two empty masks agree, so that theirs is 1.

        Filling is counted before removal here, and done after it: the two differ only by hollow components whose
        volume crosses the threshold when they are filled.
        """
        scored, hits = (self.filled if rule.fill_holes else self.plain).after(rule, self.voxel_mm3)
        return 2 * hits / (scored + self.reference) if scored + self.reference else 1.0

    @property
    def volumes(self) -> NDArray[np.float64]:
        """Volume in mm3 of each component as predicted, ascending."""
        return np.asarray(np.repeat(self.plain.sizes, self.plain.numbers) * self.voxel_mm3, np.float64)


Tallies = Mapping[str, Mapping[str, Tally]]  # case -> label -> tally


def tally(
    mask: NDArray[np.integer], reference: NDArray[np.integer], labels: Labels, voxel_mm3: float
) -> dict[str, Tally]:
    """Return the tally of each foreground label.

    Args:
        mask: predicted values, shape (X, Y[, Z]).
        reference: the expert's values, the same shape; `labels.ignore` counts nowhere.
        labels: what the values mean.
        voxel_mm3: volume of a voxel.
    """
    return {name: _tally(mask, reference, labels, name, voxel_mm3) for name in labels.foreground}


def _tally(
    mask: NDArray[np.integer], reference: NDArray[np.integer], labels: Labels, name: str, voxel_mm3: float
) -> Tally:
    label = written(labels, name)
    size = sum(int(np.count_nonzero(reference == value)) for value in label.members)
    part = part_of(mask, label.members)
    if part is None:
        return Tally(NOTHING, NOTHING, size, voxel_mm3)
    near = reference[part.box]
    hits = np.isin(near, label.members)
    scored = np.ones_like(hits) if labels.ignore is None else near != labels.ignore
    plain = components_of(part.inside, scored, hits)
    holes = holes_in(mask, part, label)
    filled = plain if holes is None else components_of(part.inside | holes, scored, hits)
    return Tally(plain, filled, size, voxel_mm3)


def components_of(inside: NDArray[np.bool_], scored: NDArray[np.bool_], hits: NDArray[np.bool_]) -> Components:
    """Return the components of a label.

    Args:
        inside: the label, shape (X, Y[, Z]).
        scored: voxels that count, the same shape.
        hits: voxels that the reference gives the label, the same shape.
    """
    labelled, count = connected(inside, Connectivity.CORNERS)
    each = np.stack([sizes_of(labelled, count), *(sizes_of(labelled[part], count) for part in (scored, hits))])
    sizes, rows = np.unique(each[0], return_inverse=True)
    numbers, *sums = (np.bincount(rows, weights, len(sizes)).astype(np.int64) for weights in (None, each[1], each[2]))
    first = int(np.argmax(each[0]))
    return Components(sizes, numbers, sums[0], sums[1], (int(each[1, first]), int(each[2, first])))
