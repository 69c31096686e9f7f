"""Read any volume: the format is chosen by the longest suffix that fits, else by content."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from segkit.foundation.errors import DataError, GeometryError, SegkitError, reason_of_system, said_by_library
from segkit.foundation.folders import names_by_folder
from segkit.volumes.formats import Format, formats
from segkit.volumes.grid import Grid
from segkit.volumes.selection import Location, Selection
from segkit.volumes.volume import Volume

T = TypeVar("T")

# One half of a NIfTI pair and what some PACS call a DICOM slice; an export of DICOM, or of anything else.
AMBIGUOUS_SUFFIXES = (".img", ".zip")
SELECTION = "a selection"
NAMING_PEOPLE = (SELECTION, "dicom")  # what is read whose headers hold identities
LITTER_ENDINGS = ("~", ".tmp", ".part", ".crdownload", ".swp")  # what editors and downloads leave behind


def read(path: str | os.PathLike[str] | Selection) -> Volume:
    """Read a volume with its geometry.

    Args:
        path: a file of any supported format, a folder or zip that holds one DICOM series, or a selection.

    Returns:
        Channel-first voxels (C, X, Y[, Z]) in the file's axis order, with an RAS+ affine in mm.

    Raises:
        DataError: when the path is missing, of no supported format, damaged or cut short; the message names it.
        GeometryError: when its geometry cannot be a grid.
    """
    if isinstance(path, Selection):
        volume = _guarded(path, SELECTION, path.read)
    else:
        path = Path(path)
        chosen = _format_of(path)
        volume = _guarded(path, chosen.name, partial(chosen.read, path))
    if volume.array.dtype.kind not in "biuf":
        raise DataError(f"{path}: holds voxels of type {volume.array.dtype}, not real numbers")
    return volume


def read_grid(path: str | os.PathLike[str] | Selection) -> Grid:
    """Read shape and affine from the headers alone.

    Args:
        path: as for `read`.

    Raises:
        DataError: when the path is missing, of no supported format, or its header is damaged.
        GeometryError: when its geometry cannot be a grid.
    """
    if isinstance(path, Selection):
        return _guarded(path, SELECTION, path.read_grid)
    path = Path(path)
    chosen = _format_of(path)
    return _guarded(path, chosen.name, partial(chosen.read_grid, path))


def is_volume(path: str | os.PathLike[str]) -> bool:
    """Tell whether `path` exists and looks like a volume, by its suffix or else its content."""
    path = Path(path)
    return path.exists() and _format_for(path) is not None


def stem(path: str | os.PathLike[str]) -> str:
    """Return the case's name: the last part of `path` without any known suffix ("a.nii.gz" gives "a")."""
    name = Path(path).name
    suffix = _longest_suffix(name)
    return name[: len(name) - len(suffix)] if suffix else name


def find_volumes(folder: str | os.PathLike[str]) -> list[Path]:
    """Find every volume below a folder.

    A folder of DICOM slices counts once, as the folder; a DICOM SEG counts by itself, but not beside slices, where it
    was drawn on these. A pair of .hdr and .img, and a header with its raw file, count once too. Hidden and temporary
    files are passed over, links to folders are not followed.

    Args:
        folder: where to look, at any depth.

    Returns:
        Sorted paths, each of which `read` takes.

    Raises:
        DataError: when `folder` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    found: set[Path] = set()
    for parent, names in names_by_folder(folder):
        found |= _volumes_among([parent / name for name in names if not _is_litter(name)])
    return sorted(found)


def format_by_suffix(path: Path) -> Format | None:
    """Return the format whose suffix is the longest that ends the name of `path`; None when no suffix fits."""
    suffix = _longest_suffix(path.name)
    return next((known for known in formats() if suffix in known.suffixes), None) if suffix else None


def suffixes() -> list[str]:
    """Return every suffix that can be read, sorted."""
    return sorted({suffix for known in formats() for suffix in known.suffixes})


def _longest_suffix(name: str) -> str:
    name = name.lower()
    fitting = (known for known in suffixes() if name.endswith(known) and len(name) > len(known))
    return max(fitting, key=len, default="")


def _format_of(path: Path) -> Format:
    if not path.exists():
        raise DataError(f"{path} does not exist")
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f"{path} is an empty file")
    chosen = _format_for(path)
    if chosen is not None:
        return chosen
    if path.is_dir():
        raise DataError(f"{path} is a folder without DICOM slices: name a file, or the folder of one series")
    raise DataError(f"{path} is of no format that segkit reads: DICOM, or a file that ends in {' '.join(suffixes())}")


def _format_for(path: Path) -> Format | None:
    by_suffix = None if path.is_dir() else format_by_suffix(path)
    if by_suffix is not None and path.suffix.lower() not in AMBIGUOUS_SUFFIXES:
        return by_suffix
    is_settled = by_suffix is None or by_suffix.recognises is not None  # by its content alone
    return _format_by_content(path) or (None if is_settled else by_suffix)


def _format_by_content(path: Path) -> Format | None:
    return next((known for known in formats() if known.recognises is not None and known.recognises(path)), None)


def _guarded(path: Location, kind: str, function: Callable[[], T]) -> T:
    """Call a reader; whatever it raises becomes one line that begins with the path."""
    try:
        return function()
    except (DataError, GeometryError) as error:
        is_named = str(path) in str(error) or (isinstance(path, Selection) and str(path.parent) in str(error))
        raise type(error)(str(error) if is_named else f"{path}: {error}") from error
    except SegkitError:
        raise
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {reason_of_system(error)}") from error
    except Exception as error:
        # What libraries say may quote values, and DICOM's may be names of people.
        detail = type(error).__name__ if kind in NAMING_PEOPLE else said_by_library(error)
        raise DataError(f"{path}: cannot be read as {kind}: {detail}") from error


def _stands_alone(chosen: Format, path: Path) -> bool:
    return chosen.stands_alone is not None and chosen.stands_alone(path)


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(LITTER_ENDINGS)


def _volumes_among(files: list[Path]) -> set[Path]:
    """Return the volumes among the files of one folder; beside slices what else is known by content does not count."""
    found: set[Path] = set()
    alone: set[Path] = set()
    series: set[Path] = set()
    for path in files:
        by_suffix = format_by_suffix(path)
        if series and (by_suffix is None or by_suffix.recognises is not None):
            continue  # one more slice, or something beside them that nobody could name
        chosen = _format_for(path)
        if chosen is None or (chosen.passed_over is not None and chosen.passed_over(path)):
            continue
        if chosen.recognises is None:
            found.add(path)
        elif chosen.recognises(path.parent) and not _stands_alone(chosen, path):
            series.add(path.parent)
        else:
            alone.add(path)
    headers = {path.with_suffix("") for path in found if path.suffix.lower() == ".hdr"}
    voxels_of_pairs = {path for path in found if path.suffix.lower() == ".img" and path.with_suffix("") in headers}
    return found - voxels_of_pairs | (series or alone)
