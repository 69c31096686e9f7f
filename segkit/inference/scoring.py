"""Probabilities on the scan's own grid, part by part: of one plan's networks, or of several plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.foundation.errors import DataError
from segkit.inference.interpolation import around, batches, logits_between
from segkit.inference.planes import FloatArray, Planes, places_of
from segkit.inference.route import Order, Route, parts
from segkit.inference.streaming import Stream, Work, finished_planes, ways_across
from segkit.volumes.grid import Grid

FAR = 1e4  # a logit beside which no other counts
Together = Sequence[Sequence[int]]
HALF = 0.5  # the probability from which a voxel belongs to a region


@dataclass(frozen=True, eq=False)
class Scores:
    """Probabilities of some rows of one plane of the scan.

    Attributes:
        plane: its index.
        rows: which of its rows.
        target: axes of the scan across planes, along rows and along columns.
        logits: of each stream, float32, shape (streams, rows, columns, K).
        together: which streams are of one plan: their logits are averaged, and the probabilities of plans.
        weights: how many networks each stream has.
        is_regions: whether outputs are regions.
    """

    plane: int
    rows: range
    target: Order
    logits: FloatArray
    together: Together
    weights: Sequence[int]
    is_regions: bool

    @cached_property
    def mean(self) -> FloatArray:
        """The mean over networks, shape (rows, columns, K)."""
        total = np.float32(sum(self.weights))
        mean = np.zeros(self.logits.shape[1:], np.float32)
        for group in self.together:
            weights = np.array([self.weights[index] for index in group], np.float32)
            logits = self.logits[group[0]].copy() if len(group) == 1 else averaged(self.logits, group, weights)
            probabilities = as_probabilities(logits, is_regions=self.is_regions)
            probabilities *= weights.sum() / total
            mean += probabilities
        return mean

    @property
    def places(self) -> NDArray[np.uint8]:
        """The class of the largest mean probability, or the last region of more than one half, or 0."""
        return places_of(self.mean, is_regions=self.is_regions, above=HALF)

    @property
    def members(self) -> Iterator[FloatArray]:
        """The probabilities of each stream, shape (rows, columns, K), one after another."""
        return (as_probabilities(logits.copy(), is_regions=self.is_regions) for logits in self.logits)

    def within(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Return the view of these rows and columns in an array of the scan's shape (X, Y, Z)."""
        return array.transpose(self.target)[self.plane, self.rows.start : self.rows.stop]


def averaged(logits: FloatArray, group: Sequence[int], weights: FloatArray) -> FloatArray:
    """Return the weighted mean of some of several logits, shape (rows, columns, K)."""
    mean = np.zeros(logits.shape[1:], np.float32)
    for index, weight in zip(group, weights / weights.sum(), strict=True):
        mean += logits[index] * weight
    return mean


def scores_on_scan(
    streams: Sequence[Stream], scan_grid: Grid, labels: Labels, work: Work, together: Together | None = None
) -> Iterator[Scores]:
    """Yield the probabilities of some rows of the scan after others, until all were there once.

    Args:
        streams: one per plan; their networks run side by side, so that no plan's logits are ever whole.
        scan_grid: the scan's 3D grid.
        labels: what the outputs stand for.
        work: how much is worked on at once.
        together: which streams are of one plan; None: each is of its own.

    Raises:
        DataError: when one plan has the planes in the opposite order.
    """
    ways = ways_across(work.axis, streams, scan_grid)
    first = ways[0]
    if len({way.order.step for way in ways}) > 1:
        raise DataError("the plans direct the axes of scans differently (plan.orientation); they make no ensemble")
    together = together or [[index] for index in range(len(streams))]
    weights = [len(stream.networks) for stream in streams]
    for rows in parts(first.planes[1], work.pieces):
        below = [way.rows_below(rows) for way in ways]
        held = [
            Planes(finished_planes(stream, way, reach, work, is_regions=labels.is_regions))
            for stream, way, reach in zip(streams, ways, below, strict=True)
        ]
        for plane in first.order:
            shape = (len(streams), len(rows), first.planes[2], labels.outputs)
            members = np.full(shape, -FAR, np.float32)
            if not labels.is_regions:
                members[..., 0] = FAR
            for planes, way, reach, logits in zip(held, ways, below, members, strict=True):
                interpolate(planes, way, reach[0], plane, rows, logits)
            yield Scores(plane, rows, first.target, members, together, weights, labels.is_regions)


def interpolate(planes: Planes, way: Route, row: int, plane: int, rows: range, logits: FloatArray) -> None:
    """Write the logits of one plan into the voxels of a plane's rows that its prepared grid covers."""
    planes.reach(*way.planes_below(plane))
    axes = around(planes, way, row, range(plane, plane + 1), rows)
    inside = axes[0].inside & axes[1].inside & axes[2].inside
    into = logits.reshape(-1, logits.shape[-1])
    for batch in batches(np.flatnonzero(inside), logits.shape[-1]):
        into[batch] = logits_between(planes, axes, np.unravel_index(batch, inside.shape))


def as_probabilities(logits: FloatArray, *, is_regions: bool) -> FloatArray:
    """Turn logits (..., K) into probabilities in place: a sigmoid for each region, a softmax over classes."""
    if is_regions:
        np.negative(logits, out=logits)
        np.minimum(logits, 80, out=logits)  # exp of more leaves float32
        np.exp(logits, out=logits)
        logits += 1
        return np.reciprocal(logits, out=logits)
    logits -= logits.max(axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=-1, keepdims=True)
    return logits
