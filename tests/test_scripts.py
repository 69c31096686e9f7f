"""Scripts import from segkit what it has."""

import ast
import importlib
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").rglob("*.py"))


def imported_names(script):
    """Yield module and name of each import from segkit, inside functions too."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "segkit":
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_names_of_segkit_exist(script):
    for module, name in imported_names(script):
        assert hasattr(importlib.import_module(module), name) or importlib.import_module(f"{module}.{name}")
