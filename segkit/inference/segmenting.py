"""Labels of a whole scan from the streams of one plan or of several."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.exhaustion import is_out_of_memory
from segkit.foundation.machine import available_memory
from segkit.foundation.memory_size import size_text
from segkit.inference.memory import plan_work
from segkit.inference.restoring import labels_on_scan
from segkit.inference.scoring import scores_on_scan
from segkit.inference.streaming import Stream, Work
from segkit.volumes.grid import Grid

LESS = 2  # times less memory that a second attempt takes


def segmented(streams: Sequence[Stream], scan_grid: Grid, labels: Labels, work: Work) -> NDArray[np.uint8]:
    """Return the class, or the last region, of each voxel of the scan, shape `scan_grid.shape`."""
    if len(streams) == 1:
        return labels_on_scan(streams[0], scan_grid, labels, work)
    places = np.zeros(scan_grid.shape, np.uint8, order="F")
    for scores in scores_on_scan(streams, scan_grid, labels, work):
        scores.within(places)[...] = scores.places
    return places


def segmented_or_smaller(
    streams: Sequence[Stream], scan_grid: Grid, labels: Labels, work: Work, activations: Sequence[int]
) -> NDArray[np.uint8]:
    """Return what `segmented` does; where memory runs out, once more in half as much, which is said.

    Raises:
        DataError: when that fails too, or cannot be; with the numbers.
    """
    try:
        return segmented(streams, scan_grid, labels, work)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside of the handler, so that what the failed attempt held is let go of.
    let_go()
    smaller = in_less_memory(streams, scan_grid, work, activations)
    if smaller is None:
        raise DataError(needed_and_there(work, "one window at once is the least"))
    warn(
        f"memory ran out: {size_text(work.bytes)} were meant to be enough; once more in {size_text(smaller.bytes)} "
        f"(windows at once: {smaller.windows}, pieces: {smaller.pieces}); inference.memory sets it from the start"
    )
    try:
        return segmented(streams, scan_grid, labels, smaller)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    let_go()
    raise DataError(needed_and_there(smaller, f"set inference.memory below {size_text(smaller.bytes)}"))


def in_less_memory(streams: Sequence[Stream], scan_grid: Grid, work: Work, activations: Sequence[int]) -> Work | None:
    """Return how a scan is worked on in half the memory; None where that holds no window."""
    options = replace(
        streams[0].options, memory=f"{max(1, work.bytes // LESS // 10**6)}MB", windows=max(1, work.windows // LESS)
    )
    modest = [replace(stream, options=options) for stream in streams]
    try:
        return plan_work(modest, scan_grid, activations, with_scores=len(streams) > 1)
    except UsageError:
        return None


def needed_and_there(work: Work, advice: str) -> str:
    """Say that memory ran out: what is needed, what there is, and what to do."""
    there = memory_there(with_gpu=torch.cuda.is_available())
    return (
        f"memory ran out: {size_text(work.bytes)} are needed for logits and networks, {there}; {advice}, or end other "
        "programs"
    )


def memory_there(*, with_gpu: bool) -> str:
    """Say how much memory is free now."""
    there = f"{size_text(available_memory())} are free on this machine"
    if with_gpu:
        there += f", {size_text(torch.cuda.mem_get_info()[0])} on the GPU"
    return there


def let_go() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
