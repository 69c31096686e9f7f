"""A network on a batch of windows, averaged over flips."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from torch import Tensor, nn

from segkit.config.plan import Plan

FULL, LIGHT = "full", "light"


def mirrored_logits(
    network: nn.Module, batch: Tensor, plan: Plan, flips: Sequence[tuple[int, ...]], swapped: Sequence[int]
) -> Tensor:
    """Return the logits of a batch averaged over flips, float32, shape (N, K, X, Y, Z)."""
    first, *others = flips
    mean = flipped_logits(network, batch, plan, first, swapped)
    if others:
        mean = mean / len(flips)
        for axes in others:
            mean += flipped_logits(network, batch, plan, axes, swapped) / len(flips)
    return mean


def flipped_logits(
    network: nn.Module, batch: Tensor, plan: Plan, axes: Sequence[int], swapped: Sequence[int]
) -> Tensor:
    """Return the logits of a batch that the network sees flipped along some axes, turned back."""
    dims, is_turned = [axis + 2 for axis in axes], left_right_axis(plan) in axes
    turned = batch.flip(dims) if dims else batch
    if is_turned and plan.previous:
        turned = turned[:, swapped_inputs(batch.shape[1], plan.previous, swapped)]
    logits = network_logits(network, turned, plan.slice_axis).float()
    if is_turned:
        logits = logits[:, list(swapped)]
    return logits.flip(dims) if dims else logits


def swapped_inputs(inputs: int, previous: int, swapped: Sequence[int]) -> list[int]:
    """Return the order of a network's inputs under a left-right flip: classes of an earlier mask swap, images do not.

    Args:
        inputs: images and classes together.
        previous: of them, classes of an earlier stage's mask but the background, which come last.
        swapped: for each class, the background first, the one that takes its place.
    """
    images = inputs - previous
    return [*range(images), *(images + swapped[place] - 1 for place in range(1, previous + 1))]


def network_logits(network: nn.Module, batch: Tensor, slice_axis: int | None) -> Tensor:
    """Call a network on patches (N, C, X, Y, Z); for a 2D one the slices of each channel are images of their own.

    Shape: to logits (N, K, X, Y, Z), of one slice where the network is 2D.
    """
    if slice_axis is None:
        logits: Tensor = network(batch)
        return logits
    logits = network(as_images(batch, slice_axis))
    return logits.unsqueeze(slice_axis + 2)


def as_images(batch: Tensor, slice_axis: int) -> Tensor:
    """Return patches (N, C, X, Y, Z) as a 2D network sees them: (N, C * slices, *size), channel by channel."""
    return batch.movedim(slice_axis + 2, 2).flatten(1, 2)


def flips_of(mirror: str, axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the flips that prediction averages over, none of them first.

    Args:
        mirror: `full` (every combination of the axes), `light` (each axis alone) or `none`.
        axes: prepared axes along which training flipped.
    """
    most = {FULL: len(axes), LIGHT: min(1, len(axes))}.get(mirror, 0)
    return [chosen for count in range(most + 1) for chosen in combinations(axes, count)]


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
