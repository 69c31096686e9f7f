"""The file formats: each module here declares one `FORMAT`; more are found through `segkit.formats` entry points."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from segkit.volumes.grid import Grid
from segkit.volumes.volume import Volume


@dataclass(frozen=True)
class Format:
    """One file format, in and out.

    Attributes:
        name: as the command line and `Source.format` say it.
        suffixes: lower case with the dot, e.g. `(".nii", ".nii.gz")`; the longest that fits a name wins.
        read: path to volume; raises `DataError` or `GeometryError`. `reading.read` puts the path in front of the
            message and turns a library's own exceptions into a `DataError`, so that a format need do neither.
        read_grid: the grid alone, from the header, without reading voxels.
        write: volume to exactly the given path (`writing.write` makes it atomic and names the path in errors); None
            where segkit only reads.
        recognises: tells by content for paths whose suffix says nothing (DICOM files and folders). A format that
            recognises a folder reads it as one volume.
        stands_alone: of a file that is recognised, tells whether it is a volume by itself and no part of its folder's.
        passed_over: of a file that is recognised, tells whether it holds no volume at all.
        written: those of `suffixes` that `write` takes; empty for all of them.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], Volume]
    read_grid: Callable[[Path], Grid]
    write: Callable[[Volume, Path], None] | None = None
    recognises: Callable[[Path], bool] | None = None
    stands_alone: Callable[[Path], bool] | None = None
    passed_over: Callable[[Path], bool] | None = None
    written: tuple[str, ...] = ()


@cache
def formats() -> tuple[Format, ...]:
    """Return every format: the modules of this package, then those of third parties."""
    own = [
        importlib.import_module(f"{__name__}.{module.name}").FORMAT
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    ]
    theirs = [entry.load() for entry in entry_points(group="segkit.formats")]
    return (*own, *theirs)
