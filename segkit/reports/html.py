"""Pages from templates that escape whatever they are given; each is one file that needs nothing beside it."""

from __future__ import annotations

import math
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.files import write_text
from segkit.reports.drawing import inline_svg
from segkit.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

LICENCES = "viewer/licences.txt"


def resource(name: str) -> str:
    """Return the text of a file that comes with this package."""
    return files("segkit.reports").joinpath(name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Return the templates, with what they call."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=PackageLoader("segkit.reports", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["figure"] = figure
    made.globals.update(
        chart=lambda drawing: Markup(inline_svg(drawing)),  # noqa: S704  (every text in it is escaped)
        own=lambda name: Markup(resource(name)),  # noqa: S704  (this package's own files)
        version=__version__,
    )
    return made


def figure(value: Any, digits: int = 3) -> Markup:
    """Write a number to a few digits in an element that keeps all of them, which scripts sort by and tests read."""
    from markupsafe import Markup

    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return Markup('<data value="">–</data>')
    shown = "∞" if math.isinf(value) else str(value) if isinstance(value, int) else f"{value:.{digits}f}"
    return Markup('<data value="{}">{}</data>').format("Infinity" if math.isinf(value) else repr(value), shown)


def render(template: str, **values: Any) -> str:
    """Return a page."""
    return environment().get_template(template).render(**values)


def write_page(path: Path, template: str, **values: Any) -> int:
    """Write a page, whole or not at all, and return its size in bytes."""
    text = render(template, **values)
    # A name with half a surrogate, as file systems may hold, has no UTF-8.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    write_text(path, text)
    return len(text.encode("utf-8"))
