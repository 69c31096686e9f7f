"""Which cases' volumes lie in a page, and which beside it as scripts: a page from disk may load nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from segkit.foundation.files import write_text
from segkit.reports.embedding import Carried

SUFFIX = ".js"


@dataclass
class Placing:
    """Deals volumes out, the first cases into the page while it has room.

    Attributes:
        room: bytes that are left in the page.
        folder: for the parts beside it; made when the first part is written.
        inline: place of a case in the viewer, with its volumes.
        beside: files written.
    """

    room: int
    folder: Path
    inline: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    beside: list[Path] = field(default_factory=list)

    def put(self, place: int, carried: Carried) -> None:
        """Take the volumes of the case at a place in the viewer."""
        if carried.size <= self.room and not self.beside:  # the worst cases are in the page, whatever fits later
            self.room -= carried.size
            self.inline.append((place, carried.parts))
            return
        path = self.folder / f"{place}{SUFFIX}"
        write_text(path, f"segkitPart({place}, {json.dumps(carried.parts)});\n")
        self.beside.append(path)

    def remove_old(self) -> None:
        """Remove the parts of an earlier page of this name that this one does not have."""
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.suffix == SUFFIX and path.stem.isdigit() and path not in self.beside:
                path.unlink()
        if not any(self.folder.iterdir()):
            self.folder.rmdir()
