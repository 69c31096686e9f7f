"""Whether a reference would fit its image better mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.volumes.boxes import Box, occupied_box

AROUND = 3  # voxels beyond the labels in which edges are compared
FEWEST = 60  # faces between labels, below which chance decides
MOST_VOXELS = 1 << 22  # around the labels; of a larger box only every second, third ... voxel is looked at
BETTER = 1.03  # times the edge strength; 200 sound hippocampi stay below 0.95
CERTAIN_ERRORS = 6.0  # standard errors by which edges must be stronger; neighbouring faces are not independent
CERTAIN_CONTRAST = 1.2  # times the contrast between both sides of the outline


@dataclass(frozen=True)
class Mirroring:
    """How much better a reference fits, mirrored along the array axis that suits it best.

    Attributes:
        axis: that array axis.
        ratio: how many times stronger the image's edges are along the mirrored outline; below 1 where it fits as it is.
        is_certain: whether this one case says so beyond doubt.
        sides: that are swapped, in words.
    """

    axis: int
    ratio: float
    is_certain: bool
    sides: str = ""


@dataclass(frozen=True)
class Fit:
    """How well outlines follow an image.

    Attributes:
        faces: pairs of neighbouring voxels of different labels.
        strength: mean change of intensity across them, as a multiple of that of all neighbours around.
        error: standard error of that mean.
        contrast: between both sides of the labelled voxels' outline, in standard deviations.
    """

    faces: int
    strength: float
    error: float
    contrast: float


def best_mirroring(
    image: NDArray[Any], classes: NDArray[np.integer[Any]], darkest: float, brightest: float
) -> Mirroring | None:
    """Say along which axis a reference would fit its image best if it were mirrored.

    The outline of a reference drawn on its image follows edges: intensities change more across it than elsewhere
    around it, and differ between its sides. Mirrored along an axis it loses both, unless it was mirrored before.

    Args:
        image: one channel, shape (X, Y[, Z]).
        classes: 0 background, 1, 2 ... labels, -1 what nobody looked at; same shape.
        darkest: intensity below which all counts as equally dark.
        brightest: intensity above which all counts as equally bright.

    Returns:
        the best of the mirrored references; None where there are too few edges to tell.
    """
    if brightest <= darkest or not (classes > 0).any():
        return None
    own = outline_fit(image, classes, darkest, brightest)
    if own.faces < FEWEST or own.strength <= 0:
        return None
    axes = [axis for axis in range(classes.ndim) if classes.shape[axis] > 1]
    fits = {axis: outline_fit(image, np.flip(classes, axis), darkest, brightest) for axis in axes}
    best = max(axes, key=lambda axis: fits[axis].strength)
    if fits[best].strength <= 0:
        return None
    ratio = fits[best].strength / own.strength
    beyond = (fits[best].strength - own.strength) > CERTAIN_ERRORS * math.hypot(fits[best].error, own.error)
    clearer = fits[best].contrast > CERTAIN_CONTRAST * own.contrast
    return Mirroring(best, ratio, ratio > BETTER and beyond and clearer)


def outline_fit(
    image: NDArray[Any], classes: NDArray[np.integer[Any]], darkest: float = 0.0, brightest: float = 1.0
) -> Fit:
    """Measure how well the outlines of labels follow an image.

    Args:
        image: shape (X, Y[, Z]).
        classes: same shape; -1 is left out.
        darkest: intensity that counts as 0.
        brightest: intensity that counts as 1.
    """
    from scipy import ndimage

    box = _around(classes)
    classes = np.ascontiguousarray(classes[box])
    grey = np.clip((image[box].astype(np.float32) - darkest) / (brightest - darkest), 0, 1)
    near = ndimage.binary_dilation(classes > 0, iterations=AROUND)
    across, inside, outside, elsewhere, neighbours = [], [], [], 0.0, 0
    for axis in range(grey.ndim):
        lower, upper = _neighbours(grey, axis)
        first, second = _neighbours(classes, axis)
        change = np.abs(upper - lower)
        across.append(change[(first != second) & (first >= 0) & (second >= 0)])
        for within, without, values, others in ((first, second, lower, upper), (second, first, upper, lower)):
            rim = (within > 0) & (without == 0)
            inside.append(values[rim])
            outside.append(others[rim])
        close = _neighbours(near, axis)[1]
        elsewhere, neighbours = elsewhere + float(change[close].sum()), neighbours + int(close.sum())
    steps = np.concatenate(across)
    if not steps.size or elsewhere <= 0:
        return Fit(int(steps.size), 0.0, 0.0, 0.0)
    steps = steps / (elsewhere / neighbours)
    contrast = _contrast(np.concatenate(inside), np.concatenate(outside))
    return Fit(steps.size, float(steps.mean()), float(steps.std()) / math.sqrt(steps.size), contrast)


def _contrast(inside: NDArray[np.float32], outside: NDArray[np.float32]) -> float:
    if not inside.size:
        return 0.0
    spread = math.sqrt((float(inside.var()) + float(outside.var())) / 2) or 1.0
    return abs(float(inside.mean()) - float(outside.mean())) / spread


def _neighbours(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the voxels that have a next one along an axis, and those."""
    moved = np.moveaxis(array, axis, 0)
    return moved[:-1], moved[1:]


def _around(classes: NDArray[np.integer[Any]]) -> Box:
    """Return the box of the labels with a margin, in steps that keep it small."""
    box = occupied_box(classes > 0) or tuple(slice(0, size) for size in classes.shape)
    sides = [slice(max(0, side.start - AROUND - 1), side.stop + AROUND + 1) for side in box]
    step = max(1, math.ceil((classes[tuple(sides)].size / MOST_VOXELS) ** (1 / classes.ndim)))
    return tuple(slice(side.start, side.stop, step) for side in sides)
