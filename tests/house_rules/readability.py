"""Rules of readability: short files and functions, docstrings, names that say what is inside."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house_rules.modules import AnyFunction, Finding, Module, dotted

LONGEST_FILE, LONGEST_FUNCTION = 320, 45
VAGUE_NAMES = {"data", "item", "items", "info", "util", "utils", "helper", "helpers", "manager", "managers"}


def short_files(module: Module) -> Iterator[Finding]:
    lines = len(module.text.splitlines())
    if lines > LONGEST_FILE:
        yield lines, f"has {lines} lines, more than {LONGEST_FILE}: split it by what its parts are about"


def short_functions(module: Module) -> Iterator[Finding]:
    for node in ast.walk(module.tree):
        if isinstance(node, AnyFunction):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > LONGEST_FUNCTION:
                yield node.lineno, f"{node.name} has {length} lines of body, more than {LONGEST_FUNCTION}"


def documented(module: Module) -> Iterator[Finding]:
    for node, owner in _public_definitions(module.tree, ""):
        decorators = {dotted(each, module).split(".")[-1] for each in node.decorator_list}
        if not decorators & {"overload", "override", "setter"} and not ast.get_docstring(node):
            yield node.lineno, f"{owner}{node.name} is public and has no docstring"


def _public_definitions(
    parent: ast.Module | ast.ClassDef, owner: str
) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, str]]:
    for node in parent.body:
        if isinstance(node, (*AnyFunction, ast.ClassDef)) and not node.name.startswith("_"):
            yield node, owner
            if isinstance(node, ast.ClassDef):
                yield from _public_definitions(node, f"{owner}{node.name}.")


def telling_names(module: Module) -> Iterator[Finding]:
    path = Path(module.name)
    for part in (*path.parent.parts, path.stem):
        if part.strip("_").lower() in VAGUE_NAMES:
            yield 1, f"'{part}' does not say what is inside: name it after what it is about"


RULES = [short_files, short_functions, documented, telling_names]
