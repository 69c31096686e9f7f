"""segkit: from scans to masks that can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from segkit.version import __version__

if TYPE_CHECKING:
    from segkit.inference.model import load
    from segkit.volumes.reading import read

__all__ = ["__version__", "load", "read"]

_HOMES = {"read": "segkit.volumes.reading", "load": "segkit.inference.model"}


def __getattr__(name: str) -> Any:
    # `import segkit` stays instant: torch and the readers are imported by the first call that needs them.
    if name not in _HOMES:
        raise AttributeError(f"module 'segkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
