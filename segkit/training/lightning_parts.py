"""Lightning's own parts by yaml: callbacks, plugins, a profiler."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_fabric.plugins import CheckpointIO, ClusterEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins import LayerSync, Precision
from pytorch_lightning.profilers import Profiler

from segkit.foundation.building import TARGET, build
from segkit.foundation.errors import UsageError

Plugin = Precision | ClusterEnvironment | CheckpointIO | LayerSync
PLUGINS: tuple[type, ...] = (Precision, ClusterEnvironment, CheckpointIO, LayerSync)


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
    return built("profiler", {"dirpath": str(folder), **options}, (Profiler,)) if options else None


def built(slot: str, options: Mapping[str, Any], roles: tuple[type, ...]) -> Any:
    """Build what a yaml names, and make sure that it is of a role."""
    part = build(options)
    if not isinstance(part, roles):
        raise UsageError(f"{slot}: {options[TARGET]} is not a Lightning {slot.partition('.')[0].removesuffix('s')}")
    return part
