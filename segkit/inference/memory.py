"""How much of a scan is worked on at once, so that `inference.memory` holds it; known before the first window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from segkit.config.plan import AXES, Plan
from segkit.foundation.errors import UsageError
from segkit.foundation.memory_size import amount_of
from segkit.inference.mirroring import flips_of
from segkit.inference.route import Route, parts, picked
from segkit.inference.streaming import Stream, Work, ways_across
from segkit.networks.forward_memory import forward_bytes
from segkit.networks.precision import uses_bf16
from segkit.volumes.grid import Grid

FLOAT, HALF = 4, 2  # bytes
CHUNK = 12e6  # bytes of finished logits that leave at once
FILLED = 64**3  # voxels that keep a CPU busy: more windows at once are no faster there, and each takes its memory
COPIES = 5  # of probabilities of a plane: their mean, a stream's, logarithms, and two more on the way
MAPS = 64  # feature maps at full size that a network is taken to hold where that cannot be counted


def plan_work(
    streams: Sequence[Stream],
    scan_grid: Grid,
    activations: Sequence[int],
    *,
    with_scores: bool,
    axes: Sequence[int] = range(AXES),
) -> Work:
    """Return how a scan is worked on within `inference.memory`.

    The axis is the one across which least has to be held. Rows are cut into as few pieces as fit, since windows at the
    cuts are computed twice; then as many windows go at once as fit.

    Args:
        streams: one per plan.
        scan_grid: the scan's 3D grid.
        activations: bytes of one window's way through the networks of each plan.
        with_scores: whether probabilities of whole planes of the scan are made, as several plans need them.
        axes: across which planes may lie.

    Raises:
        UsageError: when one window does not fit.
    """
    options = streams[0].options
    limit = amount_of(options.memory, key="inference.memory")
    least = 0
    for pieces in pieces_of(max(scan_grid.shape)):
        for windows in range(most_windows(streams), 0, -1):
            works = [Work(axis, pieces, windows) for axis in axes]
            works = [sized(work, streams, scan_grid, activations, with_scores=with_scores) for work in works]
            best = min(works, key=lambda work: work.bytes)
            if best.bytes <= limit:
                return best
            least = min(least or best.bytes, best.bytes)
    enough = f"{math.ceil(least / 1e6)}MB"
    raise UsageError(f"inference.memory={options.memory} does not hold one window of this model: set at least {enough}")


def most_windows(streams: Sequence[Stream]) -> int:
    """Return how many windows may go through a network at once: `inference.windows`, on a CPU few large ones."""
    options, voxels = streams[0].options, min(math.prod(stream.plan.patch) for stream in streams)
    return min(options.windows, math.ceil(FILLED / voxels)) if streams[0].device.type == "cpu" else options.windows


def pieces_of(longest: int) -> list[int]:
    """Return the numbers of pieces to try for an axis of at most so many voxels: 1, 2, 3, 4, 6, 8, 12 ..."""
    powers = [2**power for power in range(longest.bit_length())]
    return sorted({count for power in powers for count in (power, 3 * power) if count <= longest})


def sized(
    work: Work, streams: Sequence[Stream], scan_grid: Grid, activations: Sequence[int], *, with_scores: bool
) -> Work:
    """Return some work with the bytes it takes, and with the planes that are finished at once.

    Networks compute one after another, and no plane is finished meanwhile; what a plan's windows touch, and the planes
    that the scan's next one lies between, stay.
    """
    ways = ways_across(work.axis, streams, scan_grid)
    first = ways[0]
    rows = parts(first.planes[1], work.pieces)
    staying, passing, chunk = 0, 0, first.planes[0]
    for stream, way, activation in zip(streams, ways, activations, strict=True):
        held = max(last - start + 1 for start, last in map(way.rows_below, rows))
        chunk = max(1, min(chunk, int(CHUNK // (held * way.shape[2] * FLOAT * len(stream.swapped)))))
        plane = held * way.shape[2] * (FLOAT * len(stream.swapped) + 1)
        finished = min(chunk, stream.plan.patch[way.source[0]]) * plane
        low, high = way.planes_below(way.planes[0] // 2)
        # Beside other plans the planes of one lie finished while those of another are computed.
        staying += sums_bytes(stream, way, held) + (high - low + 1) * plane + (finished if len(streams) > 1 else 0)
        passing = max(passing, work.windows * window_bytes(stream, activation), 2 * finished)
    if with_scores:
        plane = max(map(len, rows)) * first.planes[2] * len(streams[0].swapped)
        staying += (len(streams) + COPIES) * plane * FLOAT
    return replace(work, chunk=chunk, bytes=staying + passing)


def sums_bytes(stream: Stream, way: Route, rows: int) -> int:
    """Return the bytes of the sums of one plan: of all planes and some rows that windows touch at once."""
    window = picked(stream.plan.patch, way.source)
    return window[0] * rows * max(way.shape[2], window[2]) * FLOAT * (len(stream.swapped) + 1)


def window_bytes(stream: Stream, activation: int) -> int:
    """Return the bytes that one window takes: on its way through the network, or as logits where those are more."""
    is_turned = any(len(flips_of(stream.options.mirror, axes)) > 1 for axes in stream.flips)
    voxels = math.prod(stream.plan.patch)
    half = HALF if uses_bf16(stream.options.precision, stream.device) else 0
    copies = 2 if is_turned else 1  # of the logits as float32: of a flip a turned one too
    logits = voxels * len(stream.swapped)
    mean = FLOAT * logits if is_turned else 0  # over the flips so far, beside the next one
    images = 2 * voxels * len(stream.image) * stream.plan.slices * FLOAT
    return mean + max(activation, logits * (FLOAT * copies + half)) + images


def activation_bytes(network: nn.Module, plan: Plan, precision: str) -> int:
    """Return the bytes of one window's way through a network, as it is computed on the network's device."""
    is_bf16 = uses_bf16(precision, next(network.parameters()).device)
    try:
        dtype = torch.bfloat16 if is_bf16 else torch.float32
        return forward_bytes(network, plan.network_width, plan.network_patch, dtype)
    except RuntimeError:  # the network computes with values, of which there are none without running it
        return MAPS * FLOAT * math.prod(plan.patch)
