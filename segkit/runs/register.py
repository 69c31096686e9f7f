"""What a command adds to a folder of masks: a line a case while it runs, and one whole file when it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from segkit.config.shard import Shard
from segkit.foundation.files import append_line, write_text
from segkit.foundation.plain import to_json_line
from segkit.runs.manifest import JOURNAL, Manifest, path_of, write_manifest


class Register:
    """The manifest of a folder while a command adds to it.

    A line is appended for each case, so that many cases cost no more each than few; a line that a killed command left
    torn counts for nothing. `close` writes the manifest whole and removes the journal.

    Args:
        folder: of the masks.
        manifest: what is listed already, and `saving`, what a killed command was about to.
        shard: of jobs that share the folder, which this is.
    """

    def __init__(self, folder: Path, manifest: Manifest, shard: Shard | None = None) -> None:
        self.folder, self.manifest, self.shard = folder, manifest, shard
        self.journal = path_of(folder, shard).with_suffix(JOURNAL)
        # Before the journal begins anew: killed between the two, the old one still says what was about to be moved.
        write_manifest(folder, manifest, shard)
        begun = [{"labels": manifest.labels, "weights": manifest.weights}]
        waiting = [{"case": name, "saving": entry} for name, entry in manifest.saving.items()]
        write_text(self.journal, "".join(to_json_line(line) for line in (*begun, *waiting)))

    def about_to_move(self, name: str, entry: dict[str, Any], files: dict[str, str]) -> None:
        """Note what will be listed of a case once its files (name to sha256) are moved into the folder."""
        self._append({"case": name, "saving": {**entry, "saved": files}})

    def add(self, name: str, entry: dict[str, Any]) -> None:
        """List a case."""
        if self.manifest.cases.get(name) != entry:  # finished work that is found again costs no line
            self._append({"case": name, "entry": entry})
        self.manifest.cases[name] = entry
        self.manifest.failed.pop(name, None)

    def fail(self, name: str, reason: str) -> None:
        """Note why a case has no mask."""
        self._append({"case": name, "failed": reason})
        self.manifest.failed[name] = reason
        self.manifest.cases.pop(name, None)

    def close(self) -> None:
        """Write the manifest whole."""
        write_manifest(self.folder, self.manifest, self.shard)
        self.journal.unlink(missing_ok=True)

    def _append(self, line: dict[str, Any]) -> None:
        append_line(self.journal, to_json_line(line))
