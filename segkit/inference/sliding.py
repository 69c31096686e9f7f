"""A network over a whole prepared scan, window by window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from segkit.config.options import InferenceOptions
from segkit.config.plan import Plan
from segkit.inference.windows import gaussian, windows
from segkit.networks.precision import autocast

T = TypeVar("T")


@torch.inference_mode()
def sliding_logits(
    network: nn.Module,
    image: NDArray[Any],
    plan: Plan,
    options: InferenceOptions,
    *,
    flips: Sequence[int],
    swapped: Sequence[int],
) -> Tensor:
    """Run a network over a prepared image.

    Args:
        network: in evaluation mode, on its device.
        image: shape (C, X, Y, Z), prepared.
        plan: gives the window's size and, for 2D networks, the axis across slices.
        options: overlap, windows at once, whether to average over flips, precision.
        flips: prepared axes along which training flipped.
        swapped: for each class the one that takes its place under a left-right flip.

    Returns:
        float32 logits of shape (K, X, Y, Z), on the network's device.
    """
    device = next(network.parameters()).device
    padded, inner = pad_to(torch.from_numpy(np.array(image, dtype=np.float32)).to(device), plan.patch)
    weights = gaussian(plan.patch).to(device)
    logits = torch.zeros((len(swapped), *padded.shape[1:]), device=device)
    total = torch.zeros(padded.shape[1:], device=device)
    mirrors = combinations_of(flips if options.mirror else ())
    for boxes in groups(windows(padded.shape[1:], plan.patch, options.overlap), options.windows):
        batch = torch.stack([padded[(slice(None), *box)] for box in boxes])
        with autocast(options.precision, device):
            outputs = mirrored_logits(network, batch, plan, mirrors, swapped)
        for box, output in zip(boxes, outputs, strict=True):
            logits[(slice(None), *box)] += output * weights
            total[box] += weights
    return logits.div_(total)[(slice(None), *inner)]


def mirrored_logits(
    network: nn.Module, batch: Tensor, plan: Plan, flips: Sequence[tuple[int, ...]], swapped: Sequence[int]
) -> Tensor:
    """Return the logits of a batch averaged over flips, float32, shape (N, K, X, Y, Z)."""
    left_right = left_right_axis(plan)
    mean = torch.zeros(())
    for axes in flips:
        dims = [axis + 2 for axis in axes]
        logits = network_logits(network, batch.flip(dims) if dims else batch, plan.slice_axis).float()
        if left_right in axes:
            logits = logits[:, list(swapped)]
        mean = mean.to(logits.device) + (logits.flip(dims) if dims else logits) / len(flips)
    return mean


def network_logits(network: nn.Module, batch: Tensor, slice_axis: int | None) -> Tensor:
    """Call a network on patches (N, C, X, Y, Z); a 2D one sees them without the axis across slices."""
    if slice_axis is None:
        logits: Tensor = network(batch)
        return logits
    logits = network(batch.squeeze(slice_axis + 2))
    return logits.unsqueeze(slice_axis + 2)


def combinations_of(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return every choice of some of the axes, none of them first."""
    return [chosen for count in range(len(axes) + 1) for chosen in combinations(axes, count)]


def flippable_axes(plan: Plan, swapped: Sequence[int]) -> tuple[int, ...]:
    """Return the prepared axes along which a patch may be flipped: all that the network sees.

    Where labels are sided and the plan keeps each scan's orientation, no axis is known to be left-right: none may be.
    """
    sided = list(swapped) != list(range(len(swapped)))
    if sided and left_right_axis(plan) is None:
        return ()
    return tuple(axis for axis in range(len(plan.patch)) if axis != plan.slice_axis)


def left_right_axis(plan: Plan) -> int | None:
    """Return the prepared axis that runs between left and right, None where the plan keeps each scan's orientation."""
    codes = plan.orientation or ""
    return next((axis for axis, code in enumerate(codes) if code in "RL"), None)


def pad_to(image: Tensor, window: Sequence[int]) -> tuple[Tensor, tuple[slice, ...]]:
    """Pad (C, X, Y, Z) with zeros on both sides to at least a window; return it and where the image lies in it."""
    missing = [max(0, extent - size) for size, extent in zip(image.shape[1:], window, strict=True)]
    before = [gap // 2 for gap in missing]
    pads = [pad for gap, start in zip(reversed(missing), reversed(before), strict=True) for pad in (start, gap - start)]
    inner = tuple(slice(start, start + size) for start, size in zip(before, image.shape[1:], strict=True))
    return functional.pad(image, pads), inner


def groups(boxes: Iterator[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` (`itertools.batched` comes with Python 3.12)."""
    group: list[T] = []
    for box in boxes:
        group.append(box)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
