"""The keys that a schema declares, by their dotted names."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed


@dataclass(frozen=True)
class Key:
    """One key of a command's config.

    Attributes:
        name: dotted, as it is typed: `training.budget`.
        hint: the annotation; a dataclass for a section.
        metadata: what `path_key`, `duration_key`, `choice_key` or `range_key` declared.
    """

    name: str
    hint: Any
    metadata: Mapping[str, Any]

    @property
    def section(self) -> type[Any] | None:
        """The dataclass that declares further keys below this one; None where there are none."""
        sections = (hint for hint in self._alternatives if isinstance(hint, type) and dataclasses.is_dataclass(hint))
        return next(sections, None)

    @property
    def is_section(self) -> bool:
        """Whether further keys are declared below this one."""
        return self.section is not None

    @property
    def is_optional_section(self) -> bool:
        """Whether it is a section that may be left out: a group of which nothing need be chosen."""
        return (self.is_section or bool(self.metadata.get("group"))) and type(None) in self._alternatives

    @property
    def _alternatives(self) -> tuple[Any, ...]:
        return get_args(self.hint) if get_origin(self.hint) in (Union, UnionType) else (self.hint,)

    @property
    def is_open(self) -> bool:
        """Whether anything may stand below this key: a mapping or a list."""
        return any((get_origin(hint) or hint) in (dict, list) for hint in (self.hint, *get_args(self.hint)))

    @property
    def is_table(self) -> bool:
        """Whether the value maps names to plain values, as labels do: typed anew, it replaces and does not add."""
        return any(get_origin(h) is dict and get_args(h)[1] is not Any for h in (self.hint, *get_args(self.hint)))

    @property
    def is_path(self) -> bool:
        """Whether the value is a path, or a list of paths."""
        return bool(self.metadata.get("path"))

    @property
    def is_text(self) -> bool:
        """Whether the value is a sentence."""
        return bool(self.metadata.get("text"))

    @property
    def is_list(self) -> bool:
        """Whether the value is a list."""
        return get_origin(self.hint) is list

    @property
    def placeholder(self) -> str:
        """What stands for the value in a usage line."""
        if not self.is_path:
            return "VALUE"
        return {"folder": "DIR", "file": "FILE"}.get(self.metadata.get("exists", ""), "PATH")


def keys_of(schema: type[Any]) -> dict[str, Key]:
    """Return every key of a schema by dotted name, sections before the keys they hold."""
    return _keys_of(schema)  # type: ignore[arg-type]


@cache
def _keys_of(schema: type[Any]) -> dict[str, Key]:
    return {key.name: key for key in _walk(schema, "")}


def _walk(schema: type, prefix: str) -> Iterable[Key]:
    hints = get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key = Key(prefix + field.name, hints[field.name], field.metadata)
        yield key
        if key.section is not None:
            yield from _walk(key.section, f"{key.name}.")


def path_keys(schema: type) -> dict[str, Key]:
    """Return the keys whose values are paths and are therefore taken literally."""
    return {name: key for name, key in keys_of(schema).items() if key.is_path}


def literal_keys(schema: type) -> dict[str, Key]:
    """Return the keys whose values are taken literally: paths and sentences."""
    return {name: key for name, key in keys_of(schema).items() if key.is_path or key.is_text}


def declared_key(schema: type, name: str, also: Iterable[str] = ()) -> Key:
    """Return the key that declares a dotted name: the key itself, or the open mapping or list it stands in.

    Args:
        schema: the command's dataclass.
        name: as typed, `training.budget` or `network.features`.
        also: further names valid at the top level (groups that are no keys, such as `experiment`).

    Raises:
        UsageError: when nothing declares it; names the nearest key and those that stand beside it.
    """
    keys = keys_of(schema)
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        key = keys.get(".".join(parts[:length]))
        if key is not None:
            if length == len(parts) or key.is_open:
                return key
            break
    raise unknown_key(name, keys, also)


def unknown_key(name: str, known: Iterable[str], also: Iterable[str] = ()) -> UsageError:
    """Return the error for a key that does not exist.

    Args:
        name: the dotted key as typed.
        known: every dotted key there is.
        also: further names valid at the top level.
    """
    known = list(dict.fromkeys([*known, *also]))
    section = name.rpartition(".")[0]
    while section and not any(key.startswith(f"{section}.") for key in known):
        section = section.rpartition(".")[0]
    prefix = f"{section}." if section else ""
    siblings = [key[len(prefix) :] for key in known if key.startswith(prefix) and "." not in key[len(prefix) :]]
    leaf = name.rpartition(".")[2]
    # Spelt wrong beside its neighbours, typed without its section (`budget=5min`), or wrong in both.
    near = did_you_mean(leaf, siblings).replace("mean ", f"mean {prefix}")
    # Of several sections that have such a key the nearest to the top is meant most often.
    homes = sorted((key for key in known if key.rpartition(".")[2] == leaf), key=len)
    hint = near or (f"; did you mean {homes[0]}?" if homes else did_you_mean(name, () if section else known, 0.75))
    beside = f"{section} has {listed(siblings)}" if section else f"the keys are {listed(siblings)}"
    return UsageError(f"{name} is not a key{hint or ';'} {beside}")
