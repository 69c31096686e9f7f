"""A source file as the rules see it: parsed, with what each imported name stands for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

Finding = tuple[int, str]  # line, and what is wrong and what to do
AnyFunction = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """A parsed source file; `name` is its path from the project root, `origins` what each imported name stands for."""

    name: str
    text: str
    tree: ast.Module
    origins: dict[str, str]


def parse(text: str, name: str = "segkit/volumes/example.py") -> Module:
    tree = ast.parse(text, name)
    return Module(name, text, tree, dict(_imported_names(tree)))


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def dotted(node: ast.expr, module: Module) -> str:
    """Name an expression in full, whatever aliases it was imported under: `np.load` is `numpy.load`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, module)}.{node.attr}"
    return module.origins.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def calls(module: Module) -> Iterator[tuple[ast.Call, str, dict[str, ast.expr]]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func, module), {word.arg: word.value for word in node.keywords if word.arg}


def says(keywords: dict[str, ast.expr], name: str, value: bool) -> bool:
    given = keywords.get(name)
    return isinstance(given, ast.Constant) and given.value is value
