"""Settings and messages as a page may tell them: without folders, whose names may be those of patients."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segkit.foundation.plain import plain
from segkit.reports.looking import Files
from segkit.volumes.selection import Selection, without_folders

PATH = "(a path)"
ANY_FOLDER = re.compile(r"(?:[A-Za-z]:)?[/\\](?:[^/\\:;,]+[/\\])*")  # of a message


def settings(config: Mapping[str, Any], section: str = "") -> list[tuple[str, str]]:
    """Return every key of a config with its value as text; a value that may be a path is not told."""
    rows: list[tuple[str, str]] = []
    for key, value in config.items():
        name = f"{section}{key}"
        if isinstance(value, Mapping) and value:
            rows += settings(value, f"{name}.")
        else:
            rows.append((name, without_paths(value)))
    return rows


def without_paths(value: Any) -> str:
    """Write a setting as text, but a path, whose folders may name people, as `PATH`."""
    text = str(plain(value))
    return PATH if "/" in text or "\\" in text else text


def override_text(word: str) -> str:
    """Return an override as it was typed, without a path."""
    key, equals, value = word.partition("=")
    return f"{key}={without_paths(value)}" if equals else without_paths(word)


def message_text(message: str, files: Iterable[Files]) -> str:
    """Return an error's message with files called by their names alone."""
    folders: set[Path] = set()
    for each in files:
        places = [*each.images.values(), each.reference, each.mask]
        folders |= {place.parent for place in places if place is not None and not isinstance(place, Selection)}
    return ANY_FOLDER.sub("", without_folders(message, folders))
