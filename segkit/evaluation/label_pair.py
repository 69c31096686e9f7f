"""One label of one case, as a metric sees it; what several metrics need is found once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.calibration import Reliability, reliability_of
from segkit.evaluation.confusion import Counts
from segkit.evaluation.lesions.matching import Lesions, match_lesions
from segkit.evaluation.regions import Box, boxes_of, is_among, joined_box
from segkit.evaluation.settings import Settings
from segkit.evaluation.surfaces.distances import SurfaceDistances, surface_distances
from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes around the values of a mask and its reference, found when first asked for.

    Attributes:
        mask: predicted values, shape (X, Y[, Z]).
        reference: the expert's values, same shape.
        zero: whether a label has the value 0.
    """

    mask: NDArray[Any]
    reference: NDArray[Any]
    zero: bool = False

    @cached_property
    def found(self) -> list[dict[int, Box]]:
        """Of the mask and of the reference: value -> box."""
        return [
            boxes_of(self.mask, "the mask", zero=self.zero),
            boxes_of(self.reference, "the reference", zero=self.zero),
        ]


@dataclass(frozen=True, eq=False)
class Cropped:
    """A label within the box that both masks need.

    Attributes:
        mask: shape (X, Y[, Z]) of the box, or (Z, Y, X) where the arrays lie so in memory.
        reference: the same voxels of the reference.
        steps: shape (3, dims), column n the step in RAS+ mm from a voxel to the next along axis n.
        box: of the whole array, axes in its order.
        turned: whether the axes are reversed.
    """

    mask: NDArray[np.bool_]
    reference: NDArray[np.bool_]
    steps: NDArray[np.float64]
    box: Box
    turned: bool

    @property
    def in_order(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Mask and reference with the axes of the whole array: thinning depends on which is first."""
        return (self.mask.T, self.reference.T) if self.turned else (self.mask, self.reference)

    def part_of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the voxels of another array (X, Y[, Z]) on the same grid, shape and axes as `mask` has them."""
        return array[self.box].T if self.turned else array[self.box]


@dataclass(frozen=True, eq=False)
class LabelPair:
    """One label of one case.

    Attributes:
        counts: voxels in both, in one and in none.
        mask: all predicted values, shape (X, Y[, Z]).
        reference: all values of the expert, same shape.
        values: of the label in both arrays; a region has several.
        grid: their common grid, in mm.
        name: of the label.
        settings: by which conventions it is scored.
        boxes: around the values of both arrays; by default they are found for this label alone.
        probability: of the label at each voxel, from 0 to 1, same shape; None where it is not known.
        scored: which voxels count for the calibration, same shape; None means all.
    """

    counts: Counts
    mask: NDArray[Any]
    reference: NDArray[Any]
    values: tuple[int, ...]
    grid: Grid
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    boxes: Boxes | None = None
    probability: NDArray[Any] | None = None
    scored: NDArray[np.bool_] | None = None

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml; a 2D pixel is as thick as its affine's third column says (1 mm when unknown)."""
        return self.grid.voxel_mm3 / 1000

    @property
    def diagonal(self) -> float:
        """The longest distance in mm between two corners of the grid, which no distance in it exceeds."""
        edges = self.grid.affine[:3, : self.grid.dims] * self.grid.shape
        signs = np.array(list(product((-1, 1), repeat=self.grid.dims)))
        return float(np.linalg.norm(signs @ edges.T, axis=1).max())

    @cached_property
    def cropped(self) -> Cropped:
        """The label's voxels, cropped to what both masks hold; at least one of them must hold it."""
        boxes = (self.boxes or Boxes(self.mask, self.reference, zero=0 in self.values)).found
        box = joined_box([found[value] for found in boxes for value in self.values if value in found])
        arrays = [is_among(array[box], self.values) for array in (self.mask, self.reference)]
        steps = self.grid.affine[:3, : self.grid.dims]
        # An array whose first axis lies innermost in memory, as a NIfTI's, is worked on reversed, without a copy.
        turned = all(array.flags.f_contiguous and not array.flags.c_contiguous for array in arrays)
        if turned:
            arrays, steps = [array.T for array in arrays], steps[:, ::-1]
        ours, theirs = (np.ascontiguousarray(array) for array in arrays)
        return Cropped(ours, theirs, np.ascontiguousarray(steps), box, turned)

    @cached_property
    def surfaces(self) -> SurfaceDistances:
        """Distances between both surfaces; both masks must hold the label."""
        seen = self.cropped
        return surface_distances(seen.mask, seen.reference, seen.steps, self.settings.convention)

    @cached_property
    def lesions(self) -> Lesions:
        """The label's lesions in both masks, matched one to one; at least one of the masks must hold it."""
        seen, settings = self.cropped, self.settings.lesions
        if settings.instances == "components":
            return match_lesions(seen.mask, seen.reference, settings)
        ours = np.where(seen.mask, seen.part_of(self.mask), 0)
        return match_lesions(ours, np.where(seen.reference, seen.part_of(self.reference), 0), settings)

    @cached_property
    def reliability(self) -> Reliability:
        """How probabilities and frequencies agree.

        Raises:
            DataError: when probabilities are not known.
        """
        if self.probability is None:
            raise DataError(f"the probabilities of {self.name or 'the label'} are not known")
        inside = is_among(self.reference, self.values)
        return reliability_of(self.probability, inside, self.settings.bins, scored=self.scored)
