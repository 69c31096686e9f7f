"""Folders looked through, in an order that no file system decides."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from segkit.foundation.console import warn
from segkit.foundation.errors import said_by_system


def names_by_folder(folder: Path, *, below: bool = True) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder with the sorted names in it that are no folders, then likewise those below it.

    Hidden folders are passed over, links to folders are not followed. A folder that cannot be listed is told in a
    warning, for what lies in it is missed.

    Args:
        folder: where to begin.
        below: whether folders inside it are looked through too.
    """
    for parent, folders, names in os.walk(folder, onerror=_missed):
        folders[:] = sorted(name for name in folders if below and not name.startswith("."))
        yield Path(parent), sorted(names)


def _missed(error: OSError) -> None:
    warn(f"{said_by_system(error)}; what lies in it is left out")
