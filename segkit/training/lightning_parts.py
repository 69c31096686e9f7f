"""Lightning's own parts by yaml: callbacks, plugins, a profiler, each made sure to be one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_fabric.plugins import ClusterEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins import LayerSync, Precision
from pytorch_lightning.profilers import Profiler

from segkit.config.targets import import_target
from segkit.foundation.building import TARGET, build
from segkit.foundation.errors import UsageError

# None that writes checkpoints: segkit moves whole ones into their place itself.
Plugin = Precision | ClusterEnvironment | LayerSync
PLUGINS: tuple[type, ...] = (Precision, ClusterEnvironment, LayerSync)

WORDS = {
    "callbacks": "a Lightning callback",
    "logger": "a Lightning logger",
    "plugins": "a Lightning plugin of precision, cluster environment or layer synchronisation",
    "profiler": "a Lightning profiler",
}


def build_callbacks(options: Mapping[str, Mapping[str, Any] | None]) -> list[Callback]:
    """Build the chosen callbacks, in their order; one set to null is left out.

    Raises:
        UsageError: when a target is no Lightning callback.
    """
    return [built(f"callbacks.{name}", part, (Callback,)) for name, part in options.items() if part is not None]


def build_plugins(options: Mapping[str, Mapping[str, Any] | None]) -> list[Plugin]:
    """Build the chosen plugins; one set to null is left out.

    Raises:
        UsageError: when a target is no Lightning plugin.
    """
    return [built(f"plugins.{name}", part, PLUGINS) for name, part in options.items() if part is not None]


def build_profiler(options: Mapping[str, Any], folder: Path) -> Profiler | None:
    """Build the chosen profiler, which writes into the run folder unless its yaml says otherwise; None for none.

    Raises:
        UsageError: when the target is no Lightning profiler.
    """
    if not options:
        return None
    accepted = inspect.signature(import_target(options[TARGET])).parameters
    place = {"dirpath": str(folder), "filename": "profile"}  # without both, Lightning's write to a log that is silent
    given = {name: value for name, value in place.items() if name in accepted}
    profiler: Profiler = built("profiler", {**given, **options}, (Profiler,))
    return profiler


def built(slot: str, options: Mapping[str, Any], roles: tuple[type, ...]) -> Any:
    """Build what a yaml names, and make sure that it is of a role.

    Raises:
        UsageError: when it is of none of the roles.
    """
    part = build(options)
    if not isinstance(part, roles):
        raise UsageError(f"{slot}: {options[TARGET]} is not {WORDS[slot.partition('.')[0]]}")
    return part
