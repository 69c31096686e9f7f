"""Rotation, scaling, elastic deformation and low resolution in one resampling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from segkit.foundation.errors import UsageError
from segkit.training.augmentation.transform import BatchTransform, Shape, between, bounds
from segkit.training.augmentation.warping import warped

SMALLEST = 0.01  # share of a patch's size that a zoom or a coarse lattice may leave


@dataclass(frozen=True, eq=False)
class Warp:
    """Where the voxels of one sample are taken from.

    Attributes:
        matrix: from a voxel's offset from the patch's centre to the offset of its source, in voxels, (D, D).
        bend: offsets in voxels that are added at control points over the patch, (D, *points); None for none.
        coarse: for each image the size of the lattice that is sampled and interpolated back; None at full resolution.
    """

    matrix: NDArray[np.float64]
    bend: NDArray[np.float32] | None
    coarse: tuple[tuple[int, ...] | None, ...]

    @property
    def moves(self) -> bool:
        """Whether anything lies elsewhere afterwards; else resolution alone is lowered."""
        return self.bend is not None or not np.array_equal(self.matrix, np.eye(len(self.matrix)))


class SpatialWarp(BatchTransform):
    """Rotate, scale, bend and blur by low resolution; references by linear one-hot weights.

    What comes from outside the patch is 0. Rotations are of millimetres: an anisotropic patch turns as the body does.

    Args:
        rotate: probability of a rotation.
        angles: range in degrees, drawn for each plane of axes.
        scale: probability of a scaling.
        factors: range; above 1 shows more of the patch, smaller.
        together: whether all axes scale alike.
        bend: probability of an elastic deformation.
        bend_mm: range of the standard deviation in mm of offsets at its control points.
        bend_points: control points along each axis.
        coarsen: probability that resolution is lowered.
        coarse_factors: range of the share of voxels kept along each axis.
        coarse_channel: probability for each channel, where it is.
        order: of the spline that resamples images: 1 (linear) or 3 (cubic, slower).

    Raises:
        UsageError: when there is no such order, or a range is none.

    Source: Isensee et al. 2021, Nature Methods 18, "Data augmentation"; batchgeneratorsv2's SpatialTransform and
    SimulateLowResolutionTransform.
    """

    def __init__(
        self,
        rotate: float = 0.2,
        angles: Sequence[float] = (-30.0, 30.0),
        scale: float = 0.2,
        factors: Sequence[float] = (0.7, 1.4),
        together: bool = True,
        bend: float = 0.0,
        bend_mm: Sequence[float] = (0.0, 4.0),
        bend_points: int = 5,
        coarsen: float = 0.25,
        coarse_factors: Sequence[float] = (0.5, 1.0),
        coarse_channel: float = 0.5,
        order: int = 1,
    ) -> None:
        self.rotate, self.angles = rotate, bounds("angles", angles)
        self.scale, self.factors, self.together = scale, bounds("factors", factors, least=SMALLEST), together
        self.bend, self.bend_mm, self.bend_points = bend, bounds("bend_mm", bend_mm, least=0), bend_points
        self.coarsen, self.coarse_channel = coarsen, coarse_channel
        self.coarse_factors = bounds("coarse_factors", coarse_factors, least=SMALLEST)
        if order not in (1, 3):
            raise UsageError(f"augmentation: a SpatialWarp of order {order}: write 1 (linear) or 3 (cubic)")
        self.order = order

    def draw(self, draw: np.random.Generator, shape: Shape) -> Warp | None:
        """Return where the voxels of one sample are taken from."""
        dims = len(shape.size)
        fires = [draw.random() < probability for probability in (self.rotate, self.scale, self.bend, self.coarsen)]
        turn = self._turn(draw, shape) if fires[0] else np.eye(dims)
        zoom = self._zoom(draw, dims) if fires[1] else np.ones(dims)
        bend = self._bend(draw, shape) if fires[2] else None
        coarse = self._coarse(draw, shape) if fires[3] else (None,) * shape.channels
        if not any(fires[:3]) and not any(coarse):
            return None
        return Warp(turn * zoom, bend, tuple(each for each in coarse for _ in range(shape.slices)))

    def apply(self, images: Tensor, references: Tensor, parameters: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return the batch resampled."""
        in_turn = images.flatten(1, images.dim() - references.dim())  # the slices of each channel
        moved, references = warped(in_turn, references, parameters, self.order)
        return images if moved is in_turn else moved.reshape(images.shape), references

    def _turn(self, draw: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        dims = len(shape.size)
        turn = np.eye(dims)
        for first, second in combinations(range(dims), 2):
            angle = math.radians(between(draw, self.angles))
            plane = np.eye(dims)
            plane[first, first] = plane[second, second] = math.cos(angle)
            plane[first, second], plane[second, first] = -math.sin(angle), math.sin(angle)
            turn = turn @ plane
        spacing = np.array(shape.spacing)
        return np.asarray(turn * spacing / spacing[:, None])

    def _zoom(self, draw: np.random.Generator, dims: int) -> NDArray[np.float64]:
        if self.together:
            return np.full(dims, between(draw, self.factors))
        return np.array([between(draw, self.factors) for _ in range(dims)])

    def _bend(self, draw: np.random.Generator, shape: Shape) -> NDArray[np.float32]:
        points = tuple(min(self.bend_points, size) for size in shape.size)
        deviation = between(draw, self.bend_mm) / np.array(shape.spacing)
        offsets = draw.standard_normal((len(points), *points))
        return np.asarray(offsets * deviation.reshape(-1, *[1] * len(points)), np.float32)

    def _coarse(self, draw: np.random.Generator, shape: Shape) -> tuple[tuple[int, ...] | None, ...]:
        lattices = []
        for _ in range(shape.channels):
            fires, factor = draw.random() < self.coarse_channel, between(draw, self.coarse_factors)
            lattices.append(tuple(max(2, round(size * factor)) for size in shape.size) if fires else None)
        return tuple(lattices)
