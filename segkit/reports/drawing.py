"""A chart as a list of marks, and its SVG: inside a page its colours follow the page, a file brings its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

# Okabe and Ito's hues, as `segkit.volumes.outlines.COLOURS` has them; darker on white so that small marks stay visible.
ON_WHITE = ("#a96f00", "#2079ae", "#00805e", "#8a7f00", "#005a8f", "#b84e00", "#a34a82")
LIGHT = {"ink": "#1a2027", "muted": "#55606e", "grid": "#dde2e8", "paper": "#ffffff"}
PALETTE = len(ON_WHITE)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Line:
    """A line through points, in pixels from the upper left corner; `kind` names its colour.

    It may say something when pointed at, and stand for the run of that number.
    """

    points: Sequence[tuple[float, float]]
    kind: str
    width: float = 1.0
    dashed: bool = False
    title: str = ""
    run: int | None = None


@dataclass(frozen=True)
class Dot:
    """A dot with what it says when pointed at, and the case that it stands for."""

    x: float
    y: float
    radius: float
    kind: str
    title: str = ""
    case: int | None = None


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    opacity: float = 1.0
    title: str = ""


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is `start`, `middle` or `end` of it."""

    x: float
    y: float
    text: str
    kind: str = "muted"
    anchor: str = "start"
    size: float = 12.0
    bold: bool = False


Mark = Line | Dot | Box | Words


@dataclass(frozen=True)
class Drawing:
    """A chart.

    Attributes:
        name: of its file, once what is unsafe in file names is replaced.
        title: what it shows, in a few words.
        caption: how to read it, and what it says, for those who cannot see it too.
        width: in pixels.
        height: in pixels.
        marks: in the order in which they are drawn.
    """

    name: str
    title: str
    caption: str
    width: float
    height: float
    marks: tuple[Mark, ...]


def colour_kind(index: int) -> str:
    """Return the kind of the label numbered from 1 on."""
    return f"c{(index - 1) % PALETTE + 1}"


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many characters, both its ends kept: runs may differ in their last choice alone."""
    if len(text) <= most:
        return text
    kept = max(most - 1, 2)
    return f"{text[: kept - kept // 2]}…{text[-(kept // 2) :]}"


def palette(colours: Sequence[str] = ON_WHITE, base: Mapping[str, str] = LIGHT) -> dict[str, str]:
    """Return the colour of each kind."""
    return {**base, **{f"c{number}": colour for number, colour in enumerate(colours, start=1)}}


def inline_svg(drawing: Drawing) -> str:
    """Return an `<svg>` for a page, whose style sheet colours it; whatever text it holds is escaped."""
    box = f"0 0 {_number(drawing.width)} {_number(drawing.height)}"
    label = escape(f"{drawing.title}. {drawing.caption}")
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{label}">{_body(drawing.marks)}</svg>'


def svg_file(drawing: Drawing) -> str:
    """Return an SVG file on white, whose text stays text."""
    rules = "".join(f".s-{kind}{{stroke:{colour}}}.f-{kind}{{fill:{colour}}}" for kind, colour in palette().items())
    width, height = _number(drawing.width), _number(drawing.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{escape(drawing.title)}</title><desc>{escape(drawing.caption)}</desc>"
        f"<style>text{{font-family:{FONT}}}{rules}</style>"
        f'<rect width="{width}" height="{height}" class="f-paper"/>{_body(drawing.marks)}</svg>\n'
    )


def _body(marks: Iterable[Mark]) -> str:
    return "".join(_element(mark) for mark in marks)


def _element(mark: Mark) -> str:
    if isinstance(mark, Line):
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in mark.points)
        dashes = ' stroke-dasharray="4 3"' if mark.dashed else ""
        run = "" if mark.run is None else f' data-run="{mark.run}"'
        title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
        look = f'class="s-{mark.kind}" stroke-width="{_number(mark.width)}" fill="none"{dashes}{run}'
        return f'<polyline points="{points}" {look}>{title}</polyline>'
    if isinstance(mark, Words):
        weight = ' font-weight="600"' if mark.bold else ""
        place = f'x="{_number(mark.x)}" y="{_number(mark.y)}" font-size="{_number(mark.size)}"'
        anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
        return f'<text {place} class="f-{mark.kind}"{anchor}{weight}>{escape(mark.text)}</text>'
    title = f"<title>{escape(mark.title)}</title>" if mark.title else ""
    if isinstance(mark, Box):
        place = f'x="{_number(mark.x)}" y="{_number(mark.y)}"'
        size = f'width="{_number(mark.width)}" height="{_number(mark.height)}"'
        return f'<rect {place} {size} class="f-{mark.kind}" fill-opacity="{mark.opacity:g}">{title}</rect>'
    case = "" if mark.case is None else f' data-case="{mark.case}"'
    place = f'cx="{_number(mark.x)}" cy="{_number(mark.y)}" r="{_number(mark.radius)}"'
    return f'<circle {place} class="f-{mark.kind}" fill-opacity=".7"{case}>{title}</circle>'


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
