"""Which class a stranger's config may name: allowed packages, the right role, no door to files or the network."""

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any

from segkit.foundation.errors import DataError, UsageError, said_by_library

_ALLOWED = ("segkit", "monai", "torch")
_PATH = re.compile(r"[a-zA-Z]\w*(\.[a-zA-Z]\w*)+", re.ASCII)
# Modules of allowed packages whose classes read, write, download, compile or call what they are given.
_DOOR_MODULES = (
    *("monai.apps", "monai.auto3dseg", "monai.bundle", "monai.data", "monai.engines", "monai.fl", "monai.handlers"),
    *("monai.losses.perceptual", "monai.transforms.io"),
    *("torch.distributed", "torch.export", "torch.fx", "torch.hub", "torch.jit", "torch.onnx", "torch.package"),
    *("torch.nn.parallel", "torch.testing", "torch.utils"),
)
# Transforms and networks that look up a function of another package by a name in the config.
_DOOR_CLASSES = re.compile(r"(Rand)?(CuCIM|TorchIO|TorchVision)(d|D|Dict)?|TorchVisionFCModel")
_DOOR_ARGUMENTS = re.compile(
    r"\w*pretrained\w*|\w*url|(\w+_)?(path|file|filename|filepath|dir|folder)|path_or_repo_id|repo(_id)?|checkpoint|weights"
)
_NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


def resolve_target(
    target: str,
    *,
    roles: tuple[type, ...],
    trust: Sequence[str] = (),
    slot: str,
    arguments: Mapping[str, Any] = _NO_ARGUMENTS,
) -> type:
    """Find the class that a config out of a run or a model names, if it may be used there.

    Packages in `trust` are trusted wholly: their classes may also read, download and take callables.

    Args:
        target: the dotted path of a class, "monai.networks.nets.UNet".
        roles: the class must derive from one of these.
        trust: top packages allowed besides segkit, monai and torch.
        slot: the config key that holds the target, for messages.
        arguments: what the class will be called with, by name: plain values without a `_target_` of their own.

    Raises:
        UsageError: when the target's package is not allowed; nothing was imported then.
        DataError: when the target does not exist, is no class for this slot, or could reach files, the network or
            a function that the config chooses.
    """
    allowed = (*_ALLOWED, *trust)
    _check_path(target, allowed, trust, slot)
    found = _walk(target, allowed, slot)
    if not isinstance(found, type) or not issubclass(found, roles):
        wanted = " or ".join(role.__name__ for role in roles)
        raise DataError(f"{slot}: {target} is not a class of the kind that belongs there ({wanted})")
    home = found.__module__
    if _top(home) not in allowed:
        raise DataError(f"{slot}: {target} is defined in {home}, outside the allowed packages")
    if _top(home) not in trust:
        reason = _door(found, arguments)
        if reason:
            raise DataError(f"{slot}: {target} {reason}; if you trust it, say trust=[{_top(home)}]")
    return found


def _check_path(target: str, allowed: Sequence[str], trust: Sequence[str], slot: str) -> None:
    if not isinstance(target, str) or not _PATH.fullmatch(target):
        raise DataError(f"{slot}: {str(target)[:100]!r} is not the dotted path of a public class")
    top = _top(target)
    if top not in allowed:
        raise UsageError(f"{slot}: {target} comes from the package {top}; if you trust it, say trust=[{top}]")
    if top not in trust and _is_within(target, _DOOR_MODULES):
        raise DataError(f"{slot}: {target} is not a class that a shared model may use")


def _walk(target: str, allowed: Sequence[str], slot: str) -> Any:
    """Follow the path through modules of allowed packages and classes, and through nothing else."""
    names = target.split(".")
    try:
        found: Any = importlib.import_module(names[0])
        for index, name in enumerate(names[1:], start=1):
            if isinstance(found, ModuleType) and not hasattr(found, name):
                importlib.import_module(".".join(names[: index + 1]))
            found = getattr(found, name)
            home = found.__name__ if isinstance(found, ModuleType) else getattr(found, "__module__", None)
            if not isinstance(found, ModuleType | type) or _top(str(home)) not in allowed:
                break
        else:
            return found
    except Exception as error:
        raise DataError(f"{slot}: {target} cannot be found: {said_by_library(error)}") from error
    if index == len(names) - 1:
        return found
    raise DataError(f"{slot}: {target} leads through {'.'.join(names[: index + 1])}, outside the allowed packages")


def _door(found: type, arguments: Mapping[str, Any]) -> str:
    """Say which door the class would open, "" for none."""
    if _is_within(found.__module__, _DOOR_MODULES) or _DOOR_CLASSES.fullmatch(found.__name__):
        return "can reach files, the network or functions of other packages"
    if "_args_" in arguments or any("_target_" in node for node in _mappings(arguments)):
        return "takes plain named arguments only when it comes from others"
    parameters = _parameters(found)
    for name, parameter in parameters.items():
        callable_only = "Callable" in str(parameter.annotation) and parameter.default is parameter.empty
        if callable_only or name == "func":
            return f"calls the function it is given as {name!r}"
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    for name, value in {**defaults, **arguments}.items():
        if _DOOR_ARGUMENTS.fullmatch(name) and (value is True or (isinstance(value, str) and value)):
            return f"would read or download through {name}={value!r}"
    return ""


def _parameters(found: type) -> dict[str, inspect.Parameter]:
    """Give the constructor's parameters, and those of its bases while `**kwargs` passes more on."""
    parameters: dict[str, inspect.Parameter] = {}
    # What a subclass passes on as **kwargs reaches the parameters of its bases, and so do a config's arguments.
    for base in found.__mro__:
        constructor = base.__dict__.get("__init__")
        if not inspect.isfunction(constructor):
            continue
        own = dict(list(inspect.signature(constructor).parameters.items())[1:])
        parameters = {**own, **parameters}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return parameters


def _mappings(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for member in value:
            yield from _mappings(member)


def _top(path: str) -> str:
    return path.split(".", 1)[0]


def _is_within(path: str, modules: Sequence[str]) -> bool:
    return any(path == module or path.startswith(module + ".") for module in modules)
