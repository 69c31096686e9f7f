"""Values as JSON and YAML text, and back."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import math
import re
from collections.abc import Mapping, Sequence, Set
from functools import cache
from pathlib import PurePath
from typing import Any

# YAML 1.1, which PyYAML speaks, takes 1e-3 for text; people and OmegaConf take it for a number.
_FLOAT = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def plain(value: Any) -> Any:
    """Reduce a value to dicts, lists, text, numbers, booleans and None.

    Args:
        value: may hold mappings, sequences, sets (sorted), dataclasses, paths, enumerations, dates, NumPy scalars
            and arrays.

    Returns:
        New containers; nothing of `value` is shared.

    Raises:
        TypeError: when something inside has no plain form.
    """
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_plain_key(key): plain(member) for key, member in value.items()}
    if isinstance(value, Set):
        return sorted((plain(member) for member in value), key=lambda member: (str(type(member)), member))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return [plain(member) for member in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    # Duck typing keeps NumPy out of the import; longdouble is the one scalar whose tolist() is itself.
    listed = value.tolist() if hasattr(value, "tolist") else value
    if type(listed) is type(value):
        raise TypeError(f"a value of type {type(value).__qualname__} cannot be written as plain JSON or YAML")
    return plain(listed)


def _plain_key(key: Any) -> Any:
    key = plain(key)
    if isinstance(key, dict | list):
        raise TypeError(f"{key!r} cannot be a key of JSON or YAML")
    return key


def to_json(value: Any) -> str:
    """Write a value as strict JSON, indented; numbers that are not finite become null.

    Raises:
        TypeError: when something inside has no plain form.
    """
    strict = _finite(plain(value))
    text = json.dumps(strict, indent=2, ensure_ascii=False, allow_nan=False)
    # Names of files that are not UTF-8 hold lone surrogates, which only escapes can carry.
    return text if _is_utf8(text) else json.dumps(strict, indent=2, allow_nan=False)


def to_json_line(value: Any) -> str:
    """Write a value as strict JSON on one line, its end included; numbers that are not finite become null.

    Raises:
        TypeError: when something inside has no plain form.
    """
    return json.dumps(_finite(plain(value)), separators=(",", ":"), allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_yaml(value: Any) -> str:
    """Write a value as YAML: keys in their order, lists of scalars on one line.

    Raises:
        TypeError: when something inside has no plain form.
    """
    import yaml

    reduced = plain(value)
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 120}
    try:
        return str(yaml.dump(reduced, Dumper=_dumper(fast=True), **options))
    except UnicodeEncodeError:  # lone surrogates: only PyYAML's own emitter escapes them
        return str(yaml.dump(reduced, Dumper=_dumper(fast=False), **options))


def from_yaml(text: str) -> Any:
    """Read YAML text with safe tags only.

    Raises:
        yaml.YAMLError: when the text is not YAML or asks for a Python object.
    """
    import yaml

    return yaml.load(text, Loader=safe_loader(text))  # noqa: S506  (a subclass of the safe loader)


def safe_loader(text: str) -> Any:
    """Choose the safe loader class for a text: libyaml's, or PyYAML's own where surrogates are escaped."""
    return _loader(fast=_SURROGATE.search(text) is None)


@cache
def _loader(fast: bool) -> Any:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader) if fast else yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    return Loader


@cache
def _dumper(fast: bool) -> Any:
    import yaml

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper) if fast else yaml.SafeDumper):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent_list(dumper: Dumper, value: list[Any]) -> Any:
        flow = not any(isinstance(member, dict | list) for member in value)
        return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)

    Dumper.add_representer(list, represent_list)
    Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    return Dumper
