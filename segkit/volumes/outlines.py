"""Planes in grey with the outlines of their labels, in colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

# Okabe and Ito's palette, which colour-blind readers can tell apart; the ninth label begins anew.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
IGNORED_COLOUR = (128, 128, 128)
GAP, SWATCH = 6, 8  # pixels between planes, of a colour in the legend
WINDOW = (1.0, 99.0)  # percentiles shown as black and white
Picture = NDArray[np.uint8]


def in_grey(image: NDArray[np.floating]) -> Picture:
    """Return intensities as 0..255, between their first and last percentile; of any shape, which stays."""
    low, high = np.percentile(image, WINDOW)
    grey: Picture = (np.clip((image - low) / max(float(high - low), 1e-6), 0, 1) * 255).astype(np.uint8)
    return grey


def enlarged(plane: NDArray[np.generic], size: int) -> NDArray[np.generic]:
    """Repeat the pixels of a plane, shape (rows, columns), so that its longest side has about `size` of them."""
    factor = max(1, size // max(plane.shape))
    return plane.repeat(factor, axis=0).repeat(factor, axis=1)


def outlined(grey: NDArray[np.generic], classes: NDArray[np.generic]) -> Picture:
    """Return a plane in grey with the inner outline of each label in its colour, shape (rows, columns, 3)."""
    picture = np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)
    padded = np.pad(classes, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edges = np.any([classes != neighbour for neighbour in neighbours], axis=0)
    for label in np.unique(np.asarray(classes)[edges]):
        if label:
            picture[edges & (classes == label)] = colour_of(int(label))
    return picture


def colour_of(label: int) -> tuple[int, int, int]:
    """Return the colour of a class from 1 on."""
    return IGNORED_COLOUR if label == IGNORED else COLOURS[(label - 1) % len(COLOURS)]


def draw_legend(pen: ImageDraw, names: Sequence[str], x: int, y: int) -> None:
    """Write the names of the classes from 1 on, each behind its colour, from (x, y) to the right."""
    for index, name in enumerate(names, start=1):
        pen.rectangle((x, y + 2, x + SWATCH, y + 2 + SWATCH), fill=colour_of(index))
        pen.text((x + SWATCH + GAP, y), name, fill="white")
        x += SWATCH + int(pen.textlength(name)) + 3 * GAP
