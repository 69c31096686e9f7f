"""A contact sheet: patches in grey with the outlines of their labels, three planes each, on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED
from segkit.foundation.files import atomic_file

# Okabe and Ito's palette, which colour-blind readers can tell apart; the ninth label begins anew.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
IGNORED_COLOUR = (128, 128, 128)
TILE = 192  # pixels of the longest side of a plane
GAP, LINE, SWATCH = 6, 14, 8  # pixels between planes, of a line of text, of a colour in the legend
WINDOW = (1.0, 99.0)  # percentiles shown as black and white
PLANES = 3
Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Tile:
    """One patch of the sheet.

    Attributes:
        title: written above it.
        image: one channel, shape (X, Y, Z); Z may be 1.
        classes: stored classes of the same shape, 0 the background, 255 ignored.
    """

    title: str
    image: NDArray[np.floating]
    classes: NDArray[np.integer]


def write_sheet(tiles: Sequence[Tile], names: Sequence[str], path: Path) -> None:
    """Write a contact sheet as PNG.

    Args:
        tiles: in reading order.
        names: of the classes from 1 on, for the legend.
        path: of the picture.
    """
    from PIL import Image, ImageDraw

    rows = [planes_of(tile) for tile in tiles]
    columns = 2 if len(rows) > 1 else 1
    width = max(sum(plane.shape[1] + GAP for plane in row) for row in rows) + GAP
    height = max(plane.shape[0] for row in rows for plane in row) + LINE + GAP
    sheet = Image.new("RGB", (columns * width, -(-len(rows) // columns) * height + 2 * LINE), "black")
    pen = ImageDraw.Draw(sheet)
    for index, (tile, row) in enumerate(zip(tiles, rows, strict=True)):
        x, y = index % columns * width + GAP, index // columns * height + GAP
        pen.text((x, y - 2), tile.title, fill="white")
        for plane in row:
            sheet.paste(Image.fromarray(plane), (x, y + LINE))
            x += plane.shape[1] + GAP
    x, y = GAP, sheet.height - 2 * LINE + 2
    for index, name in enumerate(names, start=1):
        pen.rectangle((x, y + 2, x + SWATCH, y + 2 + SWATCH), fill=colour_of(index))
        pen.text((x + SWATCH + GAP, y), name, fill="white")
        x += SWATCH + int(pen.textlength(name)) + 3 * GAP
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def planes_of(tile: Tile) -> list[Picture]:
    """Return the planes of a patch through the middle of its labels, or its own middle; of a picture the one it has."""
    low, high = np.percentile(tile.image, WINDOW)
    grey = (np.clip((tile.image - low) / max(float(high - low), 1e-6), 0, 1) * 255).astype(np.uint8)
    labelled = np.argwhere((tile.classes != 0) & (tile.classes != IGNORED))
    centre = np.median(labelled, axis=0).astype(int) if len(labelled) else np.array(grey.shape) // 2
    across = [axis for axis in range(PLANES) if grey.shape[axis] == 1] or range(PLANES - 1, -1, -1)
    planes = []
    for axis in across:
        cut = [np.take(array, centre[axis], axis=axis).T[::-1] for array in (grey, tile.classes)]
        planes.append(outlined(enlarged(cut[0]), enlarged(cut[1])))
    return planes


def enlarged(plane: NDArray[np.generic]) -> NDArray[np.generic]:
    """Repeat pixels so that the longest side has about `TILE` of them."""
    factor = max(1, TILE // max(plane.shape))
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
