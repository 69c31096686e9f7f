"""A contact sheet: patches in grey with the outlines of their labels, three planes each, on one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED
from segkit.foundation.files import atomic_file
from segkit.volumes.outlines import GAP, Picture, draw_legend, enlarged, in_grey, outlined

TILE = 192  # pixels of the longest side of a plane
LINE = 14  # pixels of a line of text
PLANES = 3


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
    draw_legend(pen, names, GAP, sheet.height - 2 * LINE + 2)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")


def planes_of(tile: Tile) -> list[Picture]:
    """Return the planes of a patch through the middle of its labels, or its own middle; of a picture the one it has."""
    grey = in_grey(tile.image)
    labelled = np.argwhere((tile.classes != 0) & (tile.classes != IGNORED))
    centre = np.median(labelled, axis=0).astype(int) if len(labelled) else np.array(grey.shape) // 2
    across = [axis for axis in range(PLANES) if grey.shape[axis] == 1] or range(PLANES - 1, -1, -1)
    planes = []
    for axis in across:
        cut = [np.take(array, centre[axis], axis=axis).T[::-1] for array in (grey, tile.classes)]
        planes.append(outlined(enlarged(cut[0], TILE), enlarged(cut[1], TILE)))
    return planes
