"""The signatures of segkit's own classes and functions, read from their source without importing them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from segkit.config.hints import accepts
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean

_PACKAGE = Path(__file__).resolve().parent.parent
_LONGEST_NAME = 100  # of a module of ours
_SCALARS = {"bool": bool, "int": int, "float": float, "str": str, "None": type(None), "Path": Path}
_CONTAINERS: dict[str, Any] = {"list": list, "tuple": tuple, "set": set, "dict": dict}
_CONTAINERS |= {"Sequence": Sequence, "Iterable": Iterable, "Mapping": Mapping}
Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Parameter:
    """One parameter: its annotation (Any where it is not simple) and whether a call must give it."""

    name: str
    hint: Any
    required: bool


@dataclass(frozen=True)
class Signature:
    """The parameters that keywords may give; `open` when `**kwargs` takes any others."""

    parameters: Mapping[str, Parameter]
    open: bool = False


def source_signature(target: str) -> Signature | None:
    """Read the signature of a class or function of segkit from its source.

    Args:
        target: dotted path, `segkit.networks.UNet`; re-exports by `from x import Y` are followed.

    Returns:
        The signature; None where the source alone does not tell.

    Raises:
        UsageError: when segkit has no such module or name.
    """
    module, _, name = target.rpartition(".")
    found = _find(module, name)
    if found is None:
        return None
    definition, home = found
    if isinstance(definition, ast.FunctionDef):
        return _call_signature(definition.args, skip=0)
    return _class_signature(definition, home)


def _find(module: str, name: str) -> tuple[Definition, str] | None:
    tree = _tree(module)
    names = set()
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return node, module
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    source = _absolute_module(node, module)
                    return _find(source, alias.name) if source.split(".")[0] == _PACKAGE.name else None
        names |= set(_names(node))
    if name in names or "__getattr__" in names:
        return None  # made by an assignment or on demand: only the import can tell
    raise UsageError(f"{module} has no {name}{did_you_mean(name, names)}")


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, Definition):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (target.id for target in targets if isinstance(target, ast.Name))


@cache
def _tree(module: str) -> ast.Module:
    folder, (parent, _, name) = _PACKAGE.joinpath(*module.split(".")[1:]), module.rpartition(".")
    if len(name) > _LONGEST_NAME:  # the system would refuse to look for it
        raise UsageError(f"{parent} has no module {name[:_LONGEST_NAME]}...")
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    if not path.is_file():
        beside = [entry.stem for entry in folder.parent.glob("*") if entry.is_dir() or entry.suffix == ".py"]
        raise UsageError(f"{parent or module} has no module {name}{did_you_mean(name, beside)}")
    return ast.parse(path.read_text(encoding="utf-8"))


def _absolute_module(node: ast.ImportFrom, module: str) -> str:
    if not node.level:
        return node.module or ""
    is_package = _PACKAGE.joinpath(*module.split(".")[1:]).is_dir()
    parents = module.split(".")
    base = parents[: len(parents) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def _class_signature(node: ast.ClassDef, module: str) -> Signature | None:
    constructor = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
    if constructor is not None:
        return _call_signature(constructor.args, skip=1)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id not in ("object", "Protocol")]
    inherited: Signature | None = Signature({})
    # A base that is no plain name (nn.Module, Generic[T]) is not followed, and may take anything.
    if node.bases and len(node.bases) != len(bases):
        inherited = None
    for base in bases:
        found = _find(module, base)
        is_class = found is not None and isinstance(found[0], ast.ClassDef)
        inherited = _class_signature(found[0], found[1]) if found and is_class else None  # type: ignore[arg-type]
    if not any("dataclass" in ast.dump(decorator) for decorator in node.decorator_list):
        return inherited
    return Signature({**(inherited.parameters if inherited else {}), **_fields(node)})


def _fields(node: ast.ClassDef) -> dict[str, Parameter]:
    fields = {}
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            annotation = ast.unparse(statement.annotation)
            options = statement.value.keywords if isinstance(statement.value, ast.Call) else []
            named = {option.arg: option.value for option in options}
            if "ClassVar" in annotation or ("init" in named and ast.unparse(named["init"]) == "False"):
                continue
            is_field = isinstance(statement.value, ast.Call) and ast.unparse(statement.value.func).endswith("field")
            has_default = (
                bool({"default", "default_factory"} & named.keys()) if is_field else statement.value is not None
            )
            name = statement.target.id
            fields[name] = Parameter(name, hint_of(statement.annotation), not has_default)
    return fields


def _call_signature(arguments: ast.arguments, skip: int) -> Signature:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    given = [*zip(positional, [*defaults, *arguments.defaults], strict=True)][skip:]
    given += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return Signature({a.arg: _parameter(a, default) for a, default in given}, open=arguments.kwarg is not None)


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    hint = hint_of(argument.annotation)
    if isinstance(default, ast.Constant) and default.value is None and not accepts(hint, None):
        hint = hint | None
    return Parameter(argument.arg, hint, default is None)


def hint_of(node: ast.expr | None) -> Any:
    """Turn an annotation's syntax into a typing object; Any for whatever is not built of plain types."""
    if isinstance(node, ast.Constant):
        return hint_of(ast.parse(node.value, mode="eval").body) if isinstance(node.value, str) else node.value
    if isinstance(node, ast.Name):
        return {**_SCALARS, **_CONTAINERS}.get(node.id, Any)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = hint_of(node.left), hint_of(node.right)
        return Any if Any in (left, right) else (type(None) if left is None else left) | right
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if node.value.id == "Literal":
            return Literal[tuple(ast.literal_eval(member) for member in members)]
        if node.value.id in _CONTAINERS:
            return _CONTAINERS[node.value.id][tuple(map(hint_of, members))]
    return Any
