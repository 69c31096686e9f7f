"""From plain values to the typed dataclass, with an error that names the key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from segkit.config.hints import accepts, coerced, describe
from segkit.config.keys import Key, keys_of, unknown_key
from segkit.config.literal_paths import located
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

Schema = TypeVar("Schema")
MISSING = "???"  # OmegaConf's word for a value that must be given


def typed(schema: type[Schema], values: Mapping[str, Any], section: str = "") -> Schema:
    """Build a schema's dataclass from plain values.

    Args:
        schema: a dataclass of `segkit.config`.
        values: what a composed yaml holds, interpolations resolved.
        section: the dotted key under which `values` stand.

    Raises:
        UsageError: when a key is unknown or not set, or a value is of the wrong type or out of its range.
    """
    prefix = f"{section}." if section else ""
    keys = {name: key for name, key in keys_of(schema).items() if "." not in name}
    for name in values:
        if name not in keys:
            raise unknown_key(f"{prefix}{name}", [f"{prefix}{known}" for known in keys_of(schema)])
    arguments: dict[str, Any] = {}
    for name, local in keys.items():
        key = dataclasses.replace(local, name=f"{prefix}{name}")
        value = values.get(name, MISSING)
        if name not in values and (key.metadata.get("only_some") or key.is_optional_section):
            arguments[name] = None
            continue
        if value == MISSING:
            raise not_set(key)
        arguments[name] = _section(key, value) if key.is_section else checked(key, value)
    return schema(**arguments)


def _section(key: Key, value: Any) -> Any:
    if value is None and key.is_optional_section:
        return None
    if not isinstance(value, Mapping) or key.section is None:
        raise UsageError(f"{key.name}: {shown(value)} is not a mapping of keys to values")
    return typed(key.section, value, key.name)


def not_set(key: Key) -> UsageError:
    """Return the error for a key that must be given and is not."""
    return UsageError(f"{key.name} is not set: pass {key.name}={key.placeholder}")


def checked(key: Key, value: Any) -> Any:
    """Return a key's value, converted where that is harmless.

    Raises:
        UsageError: when the value is of the wrong type, out of range, not among the choices or not a duration.
    """
    typed_in, value = value, coerced(key.hint, value)
    if not accepts(key.hint, value):
        raise UsageError(f"{key.name}: {shown(typed_in)} is not {describe(key.hint)}")
    if value is None:
        return None
    if key.is_path:
        return [located(key, path) for path in value] if key.is_list else located(key, value)
    _check_range(key, value)
    _check_choice(key, value)
    _check_duration(key, value)
    return value


def _check_range(key: Key, value: Any) -> None:
    low, high = key.metadata.get("minimum"), key.metadata.get("maximum")
    if low is None or high is None or low <= value <= high:  # NaN lies within no bounds, and is refused
        return
    bounds = f"at least {low}" if high == float("inf") else f"between {low} and {high}"
    raise UsageError(f"{key.name}: {value:g} is not {bounds}")


def _check_choice(key: Key, value: Any) -> None:
    choices = key.metadata.get("choices")
    if choices and value not in choices:
        raise UsageError(f"{key.name}: {shown(value)} is not one of {listed(choices)}{did_you_mean(value, choices)}")


def _check_duration(key: Key, value: Any) -> None:
    if key.metadata.get("duration"):
        try:
            parse_duration(value)
        except UsageError as error:
            raise UsageError(f"{key.name}: {error}") from error


def shown(value: Any) -> str:
    """Show a value as one would type it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{shown(name)}: {shown(member)}' for name, member in value.items())}}}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)
