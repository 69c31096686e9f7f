"""Segments that somebody drew, as label values on the grid of their series: what a reference is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.options import DicomOptions
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.choosing import chosen
from segkit.volumes.dicom.datasets import modality_of
from segkit.volumes.dicom.files import FORMAT_NAME, DicomFile, digest
from segkit.volumes.dicom.labelled import Drawn, Labelled
from segkit.volumes.dicom.segments import read_segments
from segkit.volumes.dicom.selection import SeriesSelection, selections
from segkit.volumes.dicom.series import find_series
from segkit.volumes.dicom.structures import read_structures
from segkit.volumes.grid import Grid
from segkit.volumes.selection import Selection
from segkit.volumes.volume import Source, Volume

READERS = {"SEG": read_segments, "RTSTRUCT": read_structures}
Pattern = str | int  # of a segment's label or ROI name, in any case; or its number


@dataclass(frozen=True)
class Stroke:
    """One segment to be drawn with one label value.

    Attributes:
        value: of the label.
        file: the SEG or structure set.
        number: of the segment in it.
    """

    value: int
    file: DicomFile
    number: int


@dataclass(frozen=True)
class ReferenceSelection(Selection):
    """Segments of SEG objects or structure sets on the grid of their series.

    Attributes:
        series: the series that they were drawn on.
        strokes: what is drawn, later over earlier.
        fault: why they cannot be used, in one line; "" where they can.
        labels: what the object calls each segment, in the order of `strokes`; empty where they have other names.
    """

    series: SeriesSelection
    strokes: tuple[Stroke, ...]
    fault: str = ""
    labels: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of the series."""
        return self.series.name

    @property
    def files(self) -> tuple[DicomFile, ...]:
        """The objects that hold the segments, sorted."""
        return tuple(sorted({stroke.file for stroke in self.strokes}))

    def exists(self) -> bool:
        """Tell whether the objects and their series are there."""
        return self.series.exists() and all(file.path.exists() for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all objects together."""
        return sum(file.size for file in self.files)

    @property
    def parent(self) -> Path:
        """The folder of the first object."""
        return self.files[0].path.parent if self.strokes else self.series.parent

    def content(self) -> list[str]:
        """Return the sha256 of the objects and of the series' files, and what is drawn how."""
        drawn = [f"{stroke.value} {self.files.index(stroke.file)} {stroke.number}" for stroke in self.strokes]
        return [*map(digest, self.files), *drawn, *self.series.content()]

    def __str__(self) -> str:
        """Return the export and the series' name."""
        return f"{self.series.where} (segments of {self.series.name})"

    def read_grid(self) -> Grid:
        """Return the grid of the series.

        Raises:
            DataError: when the segments or the series cannot be used.
        """
        if self.fault:
            raise DataError(self.fault)
        return self.series.read_grid()

    def read(self) -> Volume:
        """Return label values, shape (1, X, Y, Z), 0 where nothing was drawn.

        Raises:
            DataError: when an object cannot be read.
            GeometryError: when a segment does not lie on the slices of the series.
        """
        grid = self.read_grid()
        values = painted(self.strokes, grid)
        return Volume(values[None], grid, Source(self.parent, FORMAT_NAME, [stroke.number for stroke in self.strokes]))


def painted(strokes: Sequence[Stroke], grid: Grid) -> NDArray[Any]:
    """Return the values of segments drawn on a grid, later over earlier, shape `grid.shape`, 0 where there are none.

    The type is the smallest that holds all values.
    """
    highest = max((stroke.value for stroke in strokes), default=0)
    lowest = min((stroke.value for stroke in strokes), default=0)
    kind = np.min_scalar_type(highest) if lowest >= 0 else np.dtype(np.int32)
    values = np.zeros(grid.shape, kind, order="F")
    opened: dict[DicomFile, Labelled] = {}
    for stroke in strokes:
        if stroke.file not in opened:
            opened[stroke.file] = read_labelled(stroke.file)
        values[opened[stroke.file].mask_on(stroke.number, grid)] = stroke.value
    return values


def read_labelled(file: DicomFile) -> Labelled:
    """Read a DICOM SEG or a structure set.

    Raises:
        DataError: when it is neither, or is damaged.
    """
    modality = modality_of(file)
    if modality not in READERS:
        raise DataError(f"{file}: is no DICOM SEG and no structure set, but {modality or 'of no modality'}")
    labelled: Labelled = READERS[modality](file)
    return labelled


def matching(names: Mapping[int, str], label: str, patterns: Sequence[Pattern] | None) -> list[int]:
    """Return the numbers of the segments that stand for a label.

    Args:
        names: segment number to its own label.
        label: the data set's.
        patterns: of the segments' labels, or their numbers; None: those that are called as the label is, whatever the
            case, spaces and underscores.
    """
    if patterns is None:
        return [number for number, name in names.items() if plain_name(name) == plain_name(label)]
    return [
        number
        for number, name in names.items()
        if any(
            number == each if isinstance(each, int) else fnmatchcase(name.lower(), each.lower()) for each in patterns
        )
    ]


def plain_name(name: str) -> str:
    """Return a name in small letters without spaces, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", name.lower())


def belongs_to(drawn: Drawn, series: SeriesSelection) -> bool:
    """Tell whether segments were drawn on a series: by its UID, else by its images', else by the frame of reference."""
    one = series.stacks[0].first
    if drawn.series:
        return one.series in drawn.series
    if drawn.instances:
        return any(plane.instance.uid in drawn.instances for plane in series.stacks[0].planes)
    return bool(drawn.frame_of_reference) and drawn.frame_of_reference == one.frame_of_reference


def drawn_on(path: Path, series: Path, options: DicomOptions) -> ReferenceSelection:
    """Return all segments of a file on the grid of a series, each with its number as value.

    Args:
        path: a DICOM SEG or structure set.
        series: file, folder or zip with the series that it was drawn on, and maybe others.
        options: how the series is read.

    Raises:
        DataError: when the file is neither, or was drawn on no series, or several, that lie there.
    """
    labelled = read_labelled(DicomFile(path))
    picks = selections(chosen(find_series(series), None, series), series, options)
    own = [pick for pick in picks if belongs_to(labelled, pick)]
    if len(own) != 1:
        found = "none" if not own else "several volumes"
        raise DataError(f"{path} was drawn on one series, and {series} holds {found} of that UID")
    strokes = tuple(Stroke(number, labelled.file, number) for number in labelled.names)
    return ReferenceSelection(own[0], strokes, labels=tuple(labelled.names.values()))


def read_drawn(file: DicomFile) -> Drawn:
    """Read what a DICOM SEG or a structure set says of its segments; raises as `read_labelled` does."""
    return read_labelled(file).summary()
