"""What was typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Call:
    """One call of the command line, for the record that a run keeps of itself.

    Attributes:
        command: `train`.
        overrides: the `key=value` words as typed.
        config_dirs: the user's own conf folders; the first wins.
        cwd: the folder in which the command was typed.
    """

    command: str
    overrides: tuple[str, ...] = ()
    config_dirs: tuple[Path, ...] = ()
    cwd: Path = Path()
