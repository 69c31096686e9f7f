"""Networks over a prepared image, window by window; planes leave as soon as no later window touches them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segkit.config.options import InferenceOptions
from segkit.config.plan import Plan
from segkit.foundation.errors import DataError
from segkit.inference.mirroring import flips_of, mirrored_logits
from segkit.inference.route import Order, Route, picked, route_across, route_through
from segkit.inference.windows import gaussian, window_starts
from segkit.networks.precision import autocast
from segkit.preparation.cutting import cut_stack
from segkit.volumes.grid import Grid

T = TypeVar("T")
Corner = tuple[int, int, int]
NOWHERE = 10.0  # the background's lead where no window was computed


@dataclass(frozen=True, eq=False)
class Stream:
    """Networks of one plan, and the scan that was prepared as it says.

    Attributes:
        networks: in evaluation mode, on one device; their logits are averaged.
        flips: for each network the prepared axes along which its training flipped.
        swapped: for each output the one that takes its place under a left-right flip.
        plan: gives the window's size and, for 2D networks, the axis across slices.
        image: shape (C, X, Y, Z).
        grid: its grid.
        options: overlap, flips, precision.
    """

    networks: Sequence[nn.Module]
    flips: Sequence[Sequence[int]]
    swapped: Sequence[int]
    plan: Plan
    image: NDArray[Any]
    grid: Grid
    options: InferenceOptions

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.networks[0].parameters()).device


def ways_across(axis: int, streams: Sequence[Stream], scan_grid: Grid) -> list[Route]:
    """Return for each stream its way across one axis of the scan; all have the same rows and columns of the scan."""
    first = route_across(axis, streams[0].grid, scan_grid)
    return [first, *(route_through(first.target, stream.grid, scan_grid) for stream in streams[1:])]


@dataclass(frozen=True)
class Work:
    """How much of a scan is worked on at once.

    Attributes:
        axis: of the scan, across which planes lie.
        pieces: into which the rows of its planes are cut.
        windows: that go through a network at once.
        chunk: planes that are finished at once.
        bytes: that logits, windows and what networks compute take.
    """

    axis: int
    pieces: int
    windows: int
    chunk: int = 1
    bytes: int = 0


class Accumulator:
    """Weighted logits of the planes that windows still touch.

    Args:
        outputs: logits a voxel.
        shape: planes, rows and columns held at once.
        weights: of a window's voxels, in the same order of axes.
        first_row: of the padded image, that is held as row 0.
        device: where the sums are.
    """

    def __init__(self, outputs: int, shape: Order, weights: Tensor, first_row: int, device: torch.device) -> None:
        self.sums = torch.zeros((outputs, *shape), device=device)
        self.total = torch.zeros(shape, device=device)
        self.weights, self.first_row = weights, first_row

    def add(self, logits: Tensor, row: int, column: int) -> None:
        """Add the logits (K, planes, rows, columns) of a window whose first row and column are given."""
        begin, end = row - self.first_row, row - self.first_row + logits.shape[2]
        inside = slice(max(0, -begin), logits.shape[2] - max(0, end - self.sums.shape[2]))
        place = (slice(None), slice(max(0, begin), end), slice(column, column + logits.shape[3]))
        weights = self.weights[:, inside]
        self.sums[(slice(None), *place)].addcmul_(logits[:, :, inside], weights)
        self.total[place] += weights

    def finished(self, first: int, last: int, columns: slice, *, is_regions: bool) -> Tensor:
        """Return the mean logits of planes [first, last), shape (planes, rows, columns, K).

        Raises:
            DataError: when they are not finite.
        """
        sums, total = self.sums[:, first:last, :, columns], self.total[first:last, :, columns]
        means = torch.empty((*total.shape, len(sums)), device=sums.device)
        torch.div(sums.permute(1, 2, 3, 0), total.clamp_min(1e-12)[..., None], out=means)
        if not bool(torch.isfinite(means.sum())):
            raise DataError("the network's logits hold NaN or infinite values: try inference.precision=32")
        empty = total == 0
        if bool(empty.any()):
            means[empty] = empty_logits(len(sums), is_regions=is_regions).to(means.device)
        return means

    def advance(self, planes: int) -> None:
        """Let go of the first planes, and make room for as many after the last."""
        for held in (self.sums.transpose(0, 1), self.total):
            for plane in range(len(held) - planes):
                held[plane] = held[plane + planes]
            held[len(held) - planes :] = 0


def empty_logits(outputs: int, *, is_regions: bool) -> Tensor:
    """Return logits that say background, shape (K,)."""
    if is_regions:
        return torch.full((outputs,), -NOWHERE)
    return torch.tensor([NOWHERE, *[0.0] * (outputs - 1)])


@torch.inference_mode()
def finished_planes(
    stream: Stream, route: Route, rows: tuple[int, int], work: Work, *, is_regions: bool
) -> Iterator[NDArray[np.float32]]:
    """Run networks over an image and yield mean logits in the order of planes.

    Args:
        stream: networks and image.
        route: across which axis planes lie.
        rows: first and last row that are wanted.
        work: windows and planes at once.
        is_regions: whether outputs are regions.

    Yields:
        float32 arrays of shape (planes, rows, columns, K), from plane 0 to the last without a gap.
    """
    window = picked(stream.plan.patch, route.source)
    padded: list[int] = [max(size, extent) for size, extent in zip(route.shape, window, strict=True)]
    before = [(size - own) // 2 for size, own in zip(padded, route.shape, strict=True)]
    starts = [window_starts(size, part, stream.options.overlap) for size, part in zip(padded, window, strict=True)]
    first, last = rows[0] + before[1], rows[1] + before[1]
    starts[1] = [start for start in starts[1] if start <= last and start + window[1] > first]
    weights = gaussian(stream.plan.patch).permute(route.source).to(stream.device)
    shape = (window[0], last - first + 1, padded[2])
    sums = Accumulator(len(stream.swapped), shape, weights, first, stream.device)
    columns = slice(before[2], before[2] + route.shape[2])
    for start, following in zip(starts[0], [*starts[0][1:], padded[0]], strict=True):
        for corners in groups(product([start], starts[1], starts[2]), work.windows):
            add_windows(stream, route, corners, before, sums)
        inner = range(max(start, before[0]), min(following, before[0] + route.shape[0]))
        for plane in inner[:: work.chunk]:
            end = min(plane + work.chunk, inner.stop)
            yield sums.finished(plane - start, end - start, columns, is_regions=is_regions).cpu().numpy()
        sums.advance(min(following - start, window[0]))


def add_windows(
    stream: Stream, route: Route, corners: Sequence[Corner], before: Sequence[int], sums: Accumulator
) -> None:
    """Compute windows, given by their first plane, row and column in the padded image, and add their logits."""
    kept, batch = windows_at(stream, route, corners, before)
    if not kept:
        return
    for network, axes in zip(stream.networks, stream.flips, strict=True):
        flips = flips_of(stream.options.mirror, axes)
        with autocast(stream.options.precision, stream.device):
            outputs = mirrored_logits(network, batch, stream.plan, flips, stream.swapped)
        for (_, row, column), output in zip(kept, outputs, strict=True):
            sums.add(output.permute(0, *(axis + 1 for axis in route.source)), row, column)
        del outputs, output  # before the next network computes its own


def windows_at(
    stream: Stream, route: Route, corners: Sequence[Corner], before: Sequence[int]
) -> tuple[list[Corner], Tensor]:
    """Return the windows that a network has to see: their corners, and a batch (N, C, X, Y, Z) on its device."""
    cut = [(corner, window_at(stream, route, corner, before)) for corner in corners]
    kept = [(corner, window) for corner, window in cut if not (stream.options.skip_empty and is_flat(window))]
    if not kept:
        return [], torch.empty(0)
    batch = torch.stack([window for _, window in kept])
    return [corner for corner, _ in kept], batch.to(stream.device, non_blocking=True)


def window_at(stream: Stream, route: Route, corner: Corner, before: Sequence[int]) -> Tensor:
    """Return one window, float32, shape (C, X, Y, Z), of a 2D network with the neighbours of its slice.

    What reaches beyond the image is 0.
    """
    first = dict(zip(route.source, (start - offset for start, offset in zip(corner, before, strict=True)), strict=True))
    plan = stream.plan
    start = [first[axis] for axis in range(len(first))]
    return torch.from_numpy(cut_stack(stream.image, start, plan.patch, plan.neighbours, np.float32))


def is_flat(window: Tensor) -> bool:
    """Say whether every channel of a window (C, X, Y, Z) has one value throughout."""
    return bool((window.amax(dim=(1, 2, 3)) == window.amin(dim=(1, 2, 3))).all())


def groups(members: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` (`itertools.batched` comes with Python 3.12)."""
    group: list[T] = []
    for member in members:
        group.append(member)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
