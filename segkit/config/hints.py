"""Whether a value from a config fits a type annotation, and how to say what would."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from segkit.foundation.building import TARGET

_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping)
_UNIONS = (Union, types.UnionType)
_SCALARS: dict[Any, tuple[type, ...]] = {bool: (bool,), int: (int,), float: (int, float), str: (str,), bytes: ()}
_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string", type(None): "null"}
_PLURALS = {bool: "true or false", int: "integers", float: "numbers", str: "strings"}


def accepts(hint: Any, value: Any) -> bool:
    """Tell whether a value as YAML gives it fits an annotation.

    Args:
        hint: a typing object; what this function does not know fits everything.
        value: None, a boolean, number, string, list or mapping; a mapping with `_target_` may become anything.

    Returns:
        False only when the value certainly does not fit.
    """
    if isinstance(value, Mapping) and TARGET in value:
        return True
    if hint is None or hint is type(None):
        return value is None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return any(accepts(argument, value) for argument in arguments)
    if origin is Annotated:
        return accepts(arguments[0], value)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in arguments)
    if (origin or hint) in _LISTS:
        return _accepts_list(origin or hint, arguments, value)
    if (origin or hint) in _MAPPINGS:
        return _accepts_mapping(arguments, value)
    return _accepts_scalar(hint, value)


def _accepts_list(origin: Any, arguments: tuple[Any, ...], value: Any) -> bool:
    if not isinstance(value, list | tuple):
        # A string is a sequence of strings to Python, never to the person who wrote the config.
        return False
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return len(value) == len(arguments) and all(map(accepts, arguments, value))
    return not arguments or all(accepts(arguments[0], member) for member in value)


def _accepts_mapping(arguments: tuple[Any, ...], value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return not arguments or all(accepts(arguments[0], key) and accepts(arguments[1], value[key]) for key in value)


def _accepts_scalar(hint: Any, value: Any) -> bool:
    if hint in _SCALARS:
        # bool is a subclass of int, but `steps: true` is a mistake.
        return isinstance(value, _SCALARS[hint]) and (hint is bool or not isinstance(value, bool))
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return isinstance(value, str)
    return True


def coerced(hint: Any, value: Any) -> Any:
    """Return a value with the harmless conversions that people expect of YAML.

    A whole or decimal number becomes text where text is asked for (`precision: 32`), a whole number a float where a
    float is; inside lists and mappings too. Everything else is returned as it is, for `accepts` to judge.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        fitting = next((argument for argument in arguments if accepts(argument, value)), None)
        return coerced(fitting or next(a for a in arguments if a is not type(None)), value)
    if isinstance(value, list | tuple) and (origin or hint) in _LISTS:
        return [coerced(arguments[0], member) for member in value] if arguments else list(value)
    if isinstance(value, Mapping) and origin in _MAPPINGS:
        return {coerced(arguments[0], key): coerced(arguments[1], member) for key, member in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool) and hint in (str, float):
        return hint(value)
    return value


def describe(hint: Any) -> str:
    """Say in words what an annotation asks for: `a list of integers`, `plain or residual`, `a number or null`."""
    if hint in _NAMES or hint is None:
        return _NAMES[hint or type(None)]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in _UNIONS:
        return " or ".join(dict.fromkeys(map(describe, arguments)))
    if origin is Annotated:
        return describe(arguments[0])
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if (origin or hint) in _LISTS:
        return _describe_list(origin, arguments)
    if (origin or hint) in _MAPPINGS:
        return f"a mapping of {_plural(arguments[0])} to {_plural(arguments[1])}" if arguments else "a mapping"
    if isinstance(hint, type) and issubclass(hint, PurePath):
        return "a path"
    return getattr(hint, "__name__", str(hint))


def _describe_list(origin: Any, arguments: tuple[Any, ...]) -> str:
    members = [argument for argument in arguments if argument is not Ellipsis]
    if origin is tuple and len(members) > 1:
        return f"a list of {len(members)}: {', '.join(map(describe, members))}"
    return f"a list of {_plural(members[0])}" if members and members[0] is not Any else "a list"


def _plural(hint: Any) -> str:
    if hint in _PLURALS:
        return _PLURALS[hint]
    arguments = [argument for argument in get_args(hint) if argument is not Ellipsis]
    if (get_origin(hint) or hint) in _LISTS:
        return f"lists of {_plural(arguments[0])}" if arguments else "lists"
    return "values" if hint is Any else describe(hint)
