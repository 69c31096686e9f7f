"""Fingerprint to plan: spacing, patch, levels, normalisation, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.options import PlanOptions
from segkit.config.plan import AXES, Plan
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.normalisation import channels_of, normalisation_for

SMALLEST_FEATURE = 4  # voxels: an axis is not halved below this
ANISOTROPY = 2.0  # an axis this many times coarser than the finest waits until the others have caught up

Vector = NDArray[Any]
Levels = tuple[tuple[int, ...], ...]


def make_plan(
    fingerprint: Fingerprint,
    options: PlanOptions,
    *,
    channels: Mapping[str, str],
    levels: int,
    transforms: Sequence[Mapping[str, Any]],
) -> Plan:
    """Plan a data set.

    Args:
        fingerprint: of the training cases.
        options: what is decided already.
        channels: name to intensity family.
        levels: the most that the network has features for.
        transforms: MONAI intensity transforms that follow the normalisation.

    Returns:
        the plan, with a reason for each choice.
    """
    median = np.median(fingerprint.spacings, axis=0)
    sizes = np.median(fingerprint.shapes, axis=0)
    slice_axis = None if options.dims == AXES else through_plane(median, sizes, options.patch)
    spacing = tuple(options.spacing or (None if axis == slice_axis else float(s) for axis, s in enumerate(median)))
    prepared = np.array(
        [size if s is None else size * m / s for size, m, s in zip(sizes, median, spacing, strict=True)]
    )
    seen = [axis for axis in range(AXES) if axis != slice_axis]
    steps = np.array([m if s is None else s for m, s in zip(median, spacing, strict=True)])
    patch = np.ones(AXES, dtype=int)
    wanted = np.array(options.patch)[seen] if options.patch else cube(prepared[seen], steps[seen], options.max_voxels)
    strides, kernels = pyramid(wanted, steps[seen], levels)
    multiples = np.prod(strides, axis=0)
    patch[seen] = [rounded(*sizes) for sizes in zip(wanted, prepared[seen], multiples, strict=True)]
    while not options.patch and patch.prod() > options.max_voxels:  # rounding up cost too much somewhere
        excess = np.argmax(patch[seen] / wanted)
        patch[seen[excess]] -= multiples[excess]
    names = [name for name, family in channels.items() for _ in range(channels_of(family))]
    intensities = dict(zip(names, fingerprint.foreground, strict=True))
    return Plan(
        dims=options.dims,
        orientation=options.orientation,
        spacing=spacing,
        patch=tuple(patch.tolist()),
        batch=options.batch,
        strides=strides,
        kernels=kernels,
        normalisation={name: normalisation_for(family, intensities[name]) for name, family in channels.items()},
        transforms=tuple(dict(transform) for transform in transforms),
        reasons=reasons(options, len(fingerprint.shapes), prepared, multiples, channels),
    )


def through_plane(spacing: Vector, sizes: Vector, patch: Sequence[int] | None) -> int:
    """Return the axis across slices: the configured patch's, one of a single voxel (pictures), else the coarsest.

    Of equally coarse axes it is the last.
    """
    if patch:
        return patch.index(1)
    if sizes.min() == 1:
        return int(np.argmin(sizes))
    return AXES - 1 - int(np.argmax(spacing[::-1]))


def cube(sizes: Vector, spacing: Vector, max_voxels: int) -> Vector:
    """Return the largest patch of at most `max_voxels` that is a cube in mm, cut to the median size."""
    low, high = 0.0, float((sizes * spacing).max())
    for _ in range(50):
        edge = (low + high) / 2
        low, high = (edge, high) if np.clip(edge / spacing, 1, sizes).prod() <= max_voxels else (low, edge)
    return np.clip(high / spacing, 1, sizes)


def pyramid(patch: Vector, spacing: Vector, levels: int) -> tuple[Levels, Levels]:
    """Return strides and kernels per level; an axis halves while it has voxels enough and is not the coarsest by far.

    Source: Isensee et al. 2021, Nature Methods 18, supplement, "Network topology".
    """
    sizes, steps = patch.astype(float), spacing.astype(float)
    strides, kernels = [(1,) * len(sizes)], [kernel_sizes(steps)]
    while len(strides) < levels:
        roomy = sizes >= 2 * SMALLEST_FEATURE
        if not roomy.any():
            break
        halved = roomy & (steps < ANISOTROPY * steps[roomy].min())
        strides.append(tuple(np.where(halved, 2, 1).tolist()))
        sizes, steps = np.where(halved, sizes / 2, sizes), np.where(halved, steps * 2, steps)
        # An axis too short to halve stays fine while the others grow coarse: they keep their kernels.
        kernels.append(tuple(map(max, kernels[-1], kernel_sizes(steps))))
    return tuple(strides), tuple(kernels)


def kernel_sizes(spacing: Vector) -> tuple[int, ...]:
    """Return 3 along each axis, 1 along those that are much coarser than the finest."""
    return tuple(np.where(spacing < ANISOTROPY * spacing.min(), 3, 1).tolist())


def rounded(wanted: float, whole: float, multiple: int) -> int:
    """Return a multiple of `multiple`: not below `wanted` where the patch spans the whole axis, else not above."""
    count = np.ceil(wanted / multiple - 1e-6) if wanted >= whole else np.floor(wanted / multiple + 1e-6)
    return int(max(1, count) * multiple)


def reasons(
    options: PlanOptions, cases: int, size: Vector, multiples: Vector, channels: Mapping[str, str]
) -> dict[str, str]:
    """Say in a sentence each why the plan is as it is."""
    median, multiple = (" x ".join(f"{n:.0f}" for n in numbers) for numbers in (size, multiples))
    planned = f"a cube in mm within {options.max_voxels} voxels, cut to the median size {median}"
    return {
        "spacing": "as configured" if options.spacing else f"median over {cases} cases",
        "patch": f"{'as configured' if options.patch else planned}, in multiples of {multiple}",
        "strides": f"an axis halves while {SMALLEST_FEATURE} voxels remain and it is not much coarser than the finest",
        "normalisation": ", ".join(f"{name} is {family}" for name, family in channels.items()),
    }
