"""Pages of the notebooks: their text and code, and what they printed and drew where they were executed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import jupytext
import nbformat

LONGEST_OUTPUT = 40  # lines shown of what a cell prints


def pages(sources: Path, executed: Path | None) -> dict[str, str | bytes]:
    """Return a page for each notebook, and its pictures, by path.

    Args:
        sources: folder of jupytext's .py files.
        executed: folder of the same as executed .ipynb files; None shows no outputs.

    Raises:
        FileNotFoundError: when one was not executed.
    """
    made: dict[str, str | bytes] = {}
    for source in sorted(sources.glob("*.py")):
        book = nbformat.read(executed / f"{source.stem}.ipynb", 4) if executed else jupytext.read(source)
        made |= notebook_page(source.stem, book)
    return made


def notebook_page(name: str, book: Any) -> dict[str, str | bytes]:
    """Return the page of one notebook with its pictures, by path."""
    text: list[str] = []
    pictures: dict[str, str | bytes] = {}
    for cell in book.cells:
        if cell.cell_type == "markdown":
            text += [cell.source, ""]
        elif cell.source.strip():
            text += ["```python", cell.source, "```", ""]
            for output in cell.get("outputs", []):
                text += _shown(output, name, pictures)
    return {f"notebooks/{name}.md": "\n".join(text), **pictures}


def _shown(output: Any, name: str, pictures: dict[str, str | bytes]) -> list[str]:
    offered = output.get("data", {})
    if "image/png" in offered:
        picture = f"{name}_{len(pictures) + 1}.png"
        pictures[f"notebooks/{picture}"] = base64.b64decode(offered["image/png"])
        return [f"![what the cell above drew]({picture})", ""]
    lines = (output.get("text") or offered.get("text/plain") or "").rstrip().splitlines()
    if len(lines) > LONGEST_OUTPUT:
        lines = [*lines[:LONGEST_OUTPUT], f"... {len(lines) - LONGEST_OUTPUT} more lines"]
    return ["```text", *lines, "```", ""] if lines else []
