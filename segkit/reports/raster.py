"""A chart as PNG, drawn by Pillow at several times the size and brought down, so that its edges are smooth."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.foundation.files import atomic_file
from segkit.reports.drawing import Box, Dot, Drawing, Line, Mark, Words, palette

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

FINE = 2  # pixels of the canvas for one of the picture
SCALE = 3  # pixels of the picture for one of the chart: 300 dpi at about the size on screen
DASH, GAP = 4.0, 3.0  # pixels of the chart
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def write_png(drawing: Drawing, path: Path) -> None:
    """Write a chart as PNG, on white.

    Args:
        drawing: the chart.
        path: of the picture.
    """
    with atomic_file(path) as temporary:
        raster(drawing).save(temporary, format="PNG", dpi=(SCALE * 96, SCALE * 96))


def raster(drawing: Drawing) -> Image:
    """Return a chart as a picture."""
    from PIL import Image, ImageDraw

    factor, colours = SCALE * FINE, palette()
    size = round(drawing.width * factor), round(drawing.height * factor)
    canvas = Image.new("RGB", size, colours["paper"])
    pen = ImageDraw.Draw(canvas, "RGBA")
    for mark in drawing.marks:
        _draw(pen, mark, factor, colours)
    return canvas.resize((size[0] // FINE, size[1] // FINE), Image.Resampling.LANCZOS)


def _draw(pen: ImageDraw, mark: Mark, factor: int, colours: dict[str, str]) -> None:
    colour = colours[mark.kind]
    if isinstance(mark, Line):
        pieces = _dashes(mark.points) if mark.dashed else [mark.points]
        for piece in pieces:
            pen.line([(x * factor, y * factor) for x, y in piece], colour, round(mark.width * factor), joint="curve")
    elif isinstance(mark, Dot):
        centre = mark.x * factor, mark.y * factor
        pen.circle(centre, mark.radius * factor, _faded(colour, 0.7))
    elif isinstance(mark, Box):
        corners = (mark.x, mark.y, mark.x + mark.width, mark.y + mark.height)
        pen.rectangle(tuple(value * factor for value in corners), _faded(colour, mark.opacity))
    else:
        _write(pen, mark, factor, colour)


def _write(pen: ImageDraw, words: Words, factor: int, colour: str) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(words.size * factor)
    stroke = factor // 4 if words.bold else 0
    place = (words.x * factor, words.y * factor)
    text = words.text.replace("−", "-")  # which the font that Pillow brings does not have
    pen.text(place, text, colour, font, ANCHORS[words.anchor], stroke_width=stroke)


def _faded(colour: str, opacity: float) -> str:
    return f"{colour}{round(255 * opacity):02x}"


def _dashes(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Cut a line into the dashes that SVG would draw."""
    pieces: list[list[tuple[float, float]]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        length = max(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5, 1e-9)
        at = 0.0
        while at < length:
            ends = [share / length for share in (at, min(at + DASH, length))]
            pieces.append([(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share) for share in ends])
            at += DASH + GAP
    return pieces
