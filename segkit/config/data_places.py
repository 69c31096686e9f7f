"""A folder or file where the name of a data config belongs: what to type instead."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from shlex import quote

from segkit.config.literal_paths import absolute
from segkit.foundation.errors import UsageError

FEW = 200  # files that are looked at
TABLES = (".csv", ".tsv", ".parquet", ".pq")
YAML = ".yaml"
NUMBERED = re.compile(r"_\d{4}\.")  # nnU-Net's channel
DICOM_MARK, MARK_AT = b"DICM", 128  # bytes


def refuse_place(command: str, word: str) -> None:
    """Refuse `data=PATH`, which takes a name.

    Args:
        command: that it was typed for.
        word: `data=...`, as typed.

    Raises:
        UsageError: when something of that path is there; the message says what to type.
    """
    value = word.partition("=")[2]
    path = Path(absolute(value))
    if not value or not os.path.lexists(path):
        return
    scans = f", or input={quote(value)} to segment the scans in it" if command == "predict" else ""
    raise UsageError(
        f"{word}: data takes the name of a data config, and this is a {'folder' if path.is_dir() else 'file'}: pass "
        f"{words_for(path, value)}{scans}"
    )


def words_for(path: Path, value: str) -> str:
    """Return the words that stand for a data set, by what lies there.

    Args:
        path: a folder; or a table or a config.
        value: as it was typed.
    """
    if not path.is_dir():
        return _words_for_file(path)
    root = quote(f"data.root={value}")
    if (path / "dataset.json").is_file():
        is_msd = (path / "imagesTr").is_dir() and not any(map(NUMBERED.search, _names(path / "imagesTr")))
        return f"data={'msd' if is_msd else 'nnunet'} {root}"
    if (path / "images").is_dir():
        return f"data=paired {root}" + ("" if (path / "labels").is_dir() else " data.layout.references=LABELS")
    if any(name.startswith("sub-") for name in _names(path)):
        return f"data=bids {root}"
    if (path / "cases.csv").is_file():
        return f"data=table {root}"
    if any(map(_is_dicom, _files(path))):
        return f"data=dicom_tree {root}"
    return (
        f"data=paired {root} (images in its images/, references in its labels/; data.layout.images=DIR and "
        "data.layout.references=DIR say where else)"
    )


def _words_for_file(path: Path) -> str:
    if path.suffix == YAML:
        if path.parent.name == "data":
            return f"--config-dir {quote(str(path.parent.parent))} data={path.stem}"
        return f"--config-dir DIR data={path.stem}, with the file at DIR/data/{path.name}"
    if path.suffix.lower() in TABLES:
        return f"data=table {quote(f'data.root={path.parent}')} {quote(f'data.layout.table={path}')}"
    return f"data=paired {quote(f'data.root={path.parent}')}"


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, FEW)]
    except OSError:  # closed to us
        return []


def _files(folder: Path) -> Iterator[Path]:
    """Yield the first files below a folder."""
    found = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return islice(found, FEW)


def _is_dicom(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(MARK_AT + len(DICOM_MARK))[MARK_AT:] == DICOM_MARK
    except OSError:
        return False
