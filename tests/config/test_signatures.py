"""Signatures read from source, against Python's own reading of the imported objects."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

from segkit.config import signatures
from segkit.config.groups import conf_folder
from segkit.config.signatures import Parameter, hint_of, source_signature
from segkit.config.targets import import_target
from segkit.foundation.errors import UsageError


def own_targets() -> list[str]:
    def walk(node: Any) -> list[str]:
        members = list(node.values()) if isinstance(node, dict) else node if isinstance(node, list) else []
        own = [node["_target_"]] if isinstance(node, dict) and "_target_" in node else []
        return own + [target for member in members for target in walk(member)]

    found = {target for path in conf_folder().rglob("*.yaml") for target in walk(yaml.safe_load(path.read_text()))}
    return sorted(target for target in found if target.startswith("segkit."))


@pytest.mark.parametrize("target", own_targets())
def test_the_source_says_what_the_import_says(target):
    read = source_signature(target)
    assert read is not None
    parameters = inspect.signature(import_target(target)).parameters
    assert list(read.parameters) == list(parameters)
    assert [p.required for p in read.parameters.values()] == [p.default is p.empty for p in parameters.values()]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules that would fail if anyone imported it."""
    root = tmp_path / "toy"
    (root / "nets").mkdir(parents=True)
    (root / "nets" / "__init__.py").write_text(
        "raise ImportError\nfrom toy.nets.plain import Net as Renamed\nfrom .plain import *\nlazy = 1\n"
    )
    (root / "nets" / "plain.py").write_text(
        """
import torch_is_not_here
from dataclasses import dataclass, field
from typing import ClassVar, Literal
from collections.abc import Sequence
from elsewhere import Base
class Net(Base):
    def __init__(self, a: int, /, b: "list[int] | None" = None, *rest, c: Base, d: Literal["x", 1] = "x", **more): ...
class Child(Net): ...
class Foreign(Base): ...
@dataclass(frozen=True)
class Options:
    kind: ClassVar[int] = 0
    size: int
    names: Sequence[str] = field(default_factory=list)
    hidden: int = field(init=False)
@dataclass
class More(Options):
    extra: float = field()
class Bare: ...
def make(x: dict[str, float], y: tuple[int, ...] = (), z: int = None): ...
"""
    )
    monkeypatch.setattr(signatures, "_PACKAGE", root)
    signatures._tree.cache_clear()
    yield root
    signatures._tree.cache_clear()


def test_a_constructor_behind_a_re_export(package):
    read = source_signature("toy.nets.Renamed")
    assert read is not None
    assert read.open
    assert dict(read.parameters) == {
        "a": Parameter("a", int, True),
        "b": Parameter("b", list[int] | None, False),
        "c": Parameter("c", Any, True),
        "d": Parameter("d", Literal["x", 1], False),
    }
    assert source_signature("toy.nets.plain.Child") == read


def test_dataclasses_with_their_bases(package):
    read = source_signature("toy.nets.plain.More")
    assert read is not None
    assert dict(read.parameters) == {
        "size": Parameter("size", int, True),
        "names": Parameter("names", Sequence[str], False),
        "extra": Parameter("extra", float, True),
    }


def test_functions_and_bare_classes(package):
    read = source_signature("toy.nets.plain.make")
    assert read is not None
    assert [p.hint for p in read.parameters.values()] == [dict[str, float], tuple[int, ...], int | None]
    assert source_signature("toy.nets.plain.Bare") == signatures.Signature({})


@pytest.mark.parametrize("target", ["toy.nets.plain.Foreign", "toy.nets.plain.Base", "toy.nets.lazy"])
def test_what_the_source_does_not_tell_is_left_to_the_import(package, target):
    assert source_signature(target) is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("toy.nets.Renamd", "toy.nets has no Renamd; did you mean Renamed?"),
        ("toy.nest.Renamed", "toy has no module nest; did you mean nets?"),
    ],
)
def test_names_that_do_not_exist(package, target, message):
    with pytest.raises(UsageError) as caught:
        source_signature(target)
    assert str(caught.value) == message


def test_annotations_that_are_not_plain_become_any():
    import ast

    for text in ("nn.Module", "Unknown", "int | Unknown", "Callable[[int], str]", "x()"):
        assert hint_of(ast.parse(text, mode="eval").body) is Any
    assert hint_of(None) is Any
    assert hint_of(ast.parse("None | Path", mode="eval").body) == None | Path
