"""The classes and functions that a config names by `_target_`: their keys and values against their signatures."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast, get_type_hints

from segkit.config.hints import accepts, describe
from segkit.config.signatures import Parameter, Signature, source_signature
from segkit.config.typed import shown
from segkit.foundation.building import TARGET, arguments_of
from segkit.foundation.errors import UsageError, one_line
from segkit.foundation.suggestions import did_you_mean, listed

# What segkit passes to the target of a slot when it builds it, where the config does not say otherwise.
PROVIDED: Mapping[str, frozenset[str]] = {
    "network": frozenset({"in_channels", "out_channels", "dims", "spatial_dims", "strides", "kernels", "patch"}),
    "optimizer": frozenset({"params"}),
    "logger": frozenset({"save_dir"}),
    "profiler": frozenset({"dirpath", "filename"}),
}


def check_own_targets(config: Any) -> None:
    """Check every target of segkit's own against its source, without importing anything.

    Args:
        config: a command's dataclass.

    Raises:
        UsageError: naming the key that the target does not take, or whose value is of another type.
    """
    for key, node in targets(dataclasses.asdict(config)):
        _check(key, node, own_signature)


def check_signatures(config: Any) -> None:
    """Check every target and its arguments, by its source or else by importing it, before any case is read.

    Args:
        config: a command's dataclass. Not one out of a stranger's run: the targets are imported.

    Raises:
        UsageError: when a target does not exist or cannot be imported, or its arguments do not fit.
    """
    for key, node in targets(dataclasses.asdict(config)):
        _check(key, node, lambda target: own_signature(target) or signature_of(import_target(target)))


def own_signature(target: str) -> Signature | None:
    """Return the signature of a target of segkit's own; None for others, and where the source does not tell."""
    return source_signature(target) if target.startswith("segkit.") else None


def targets(value: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted key of every mapping with a `_target_`, and the mapping, outermost first."""
    if isinstance(value, Mapping):
        if TARGET in value:
            yield key, value
        for name, member in value.items():
            yield from targets(member, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for index, member in enumerate(value):
            yield from targets(member, f"{key}.{index}")


def _check(key: str, node: Mapping[str, Any], read: Callable[[str], Signature | None]) -> None:
    target = node[TARGET]
    if not isinstance(target, str) or "." not in target:
        raise UsageError(f"{key}.{TARGET}: {shown(target)} is not the dotted path of a class or function")
    try:
        signature = read(target)
    except UsageError as error:
        raise UsageError(f"{key}.{TARGET}: {target}: {error}") from error
    if signature is not None:
        check_arguments(key, node, signature)


def check_arguments(key: str, node: Mapping[str, Any], signature: Signature) -> None:
    """Check the keys and values beside a `_target_` against its signature.

    Args:
        key: where the mapping stands, for the message.
        node: the mapping.
        signature: of the target.

    Raises:
        UsageError: naming the key.
    """
    provided = PROVIDED.get(key, frozenset())
    parameters = signature.parameters
    given = arguments_of(node)
    for name, value in given.items():
        if name not in parameters and not signature.open:
            meant = did_you_mean(name, parameters) or ";"
            own = listed(known for known in parameters if known not in provided)
            raise UsageError(f"{key}.{name} is not a parameter of {node[TARGET]}{meant} it takes {own}")
        hint = parameters[name].hint if name in parameters else Any
        if not accepts(hint, value):
            raise UsageError(f"{key}.{name}: {shown(value)} is not {describe(hint)}")
    for name, parameter in parameters.items():
        if parameter.required and name not in given and name not in provided:
            raise UsageError(f"{key}.{name} is not set, and {node[TARGET]} needs it: pass +{key}.{name}=VALUE")


def signature_of(target: Callable[..., Any]) -> Signature | None:
    """Return the signature of an imported class or function; None where Python cannot tell."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return None
    hints = _hints(target.__init__ if isinstance(target, type) else target)  # type: ignore[misc]
    named = {}
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            hint = hints.get(parameter.name, Any)
            hint = Any if parameter.default is None and not accepts(hint, None) else hint
            named[parameter.name] = Parameter(parameter.name, hint, parameter.default is parameter.empty)
    return Signature(named, open=any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters))


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except Exception:  # noqa: BLE001  (annotations of others may name what cannot be evaluated here: then nothing is checked)
        return {}


def import_target(target: str) -> Callable[..., Any]:
    """Import a class or function by its dotted path; for targets that the user typed.

    Raises:
        UsageError: when it does not exist, its import fails, or it cannot be called.
    """
    parts = target.split(".")
    for length in range(len(parts) - 1, 0, -1):
        found: Any = _module(".".join(parts[:length]))
        if found is None:
            continue
        for name in parts[length:]:
            if not hasattr(found, name):
                raise UsageError(f"{'.'.join(parts[:length])} has no {name}{did_you_mean(name, dir(found))}")
            found = getattr(found, name)
        if not callable(found):
            raise UsageError("it is neither a class nor a function")
        return cast("Callable[..., Any]", found)
    raise UsageError(f"there is no package {parts[0]}: install it, or put its folder on PYTHONPATH")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            return None
        raise UsageError(f"importing {name} failed: {one_line(error)}") from error
    except Exception as error:  # the user's module may raise anything
        raise UsageError(f"importing {name} failed: {type(error).__name__}: {one_line(error)}") from error
