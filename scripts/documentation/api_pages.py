"""Pages of the Python API: one for each layer, with the docstrings of its modules."""

from __future__ import annotations

import ast
from pathlib import Path

FRONT = """# Python

`segkit.read(PATH)` gives a [`Volume`](volumes.md#segkit.volumes.volume.Volume), `segkit.load(RUN).segment(PATH)` a
mask. Each command is a function of its config too:

```python
from segkit.commands.evaluate import evaluate
from segkit.config.compose import configure

configure("evaluate", ["predictions=MASKS", "references=LABELS", "output=SCORES"])
```

::: segkit.volumes.reading.read

::: segkit.inference.model.load

::: segkit.config.compose.configure
    options:
      heading_level: 2
"""


def pages(package: Path) -> dict[str, str]:
    """Return the front page and one for each layer of the package, by path."""
    layers = sorted(path.parent for path in package.glob("*/__init__.py"))
    return {"api/index.md": FRONT, **{f"api/{layer.name}.md": layer_page(layer) for layer in layers}}


def layer_page(layer: Path) -> str:
    """Return the page of one layer: what it is for, then each module that says something of its own."""
    text = [f"# segkit.{layer.name}", ""]
    for path in sorted(layer.rglob("*.py")):
        names = path.relative_to(layer.parent.parent).with_suffix("").parts
        modules = [name for name in names if name != "__init__"]
        if any(name.startswith("_") for name in modules) or not ast.get_docstring(ast.parse(path.read_text("utf-8"))):
            continue
        text += [f"::: {'.'.join(modules)}", ""]
        if path.name == "__init__.py":  # its modules have entries of their own
            text += ["    options:", "      show_submodules: false", ""]
    return "\n".join(text)
