"""DICOM: a series in its folder or zip, a single object, or the segments of a DICOM SEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.choosing import default_choice, shown
from segkit.volumes.dicom.datasets import modality_of, tag_of
from segkit.volumes.dicom.directory import is_directory
from segkit.volumes.dicom.files import FORMAT_NAME, DicomFile, dicom_files, is_dicom, is_zip
from segkit.volumes.dicom.segments import Segments, read_segments
from segkit.volumes.dicom.selection import DEFAULTS, SeriesSelection
from segkit.volumes.dicom.series import export_of, find_series, images_in
from segkit.volumes.dicom.stacks import Stack
from segkit.volumes.formats import Format
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Source, Volume

SEGMENTATION = "SEG"
SUFFIXES = (".dcm", ".dicom", ".ima", ".zip", ".seg.dcm")  # the last so that a case is called without it
NO_VOLUMES = ("RTSTRUCT", "SR", "PR", "KO", "RTPLAN", "REG", "DOC")  # objects beside images that have none


def read(path: Path) -> Volume:
    """Read the series of a folder or zip, or one object from its file.

    Returns:
        (1, X = column, Y = row, Z), (3, ...) for colours, slices sorted along their normal, LPS turned to RAS+, shear
        of a tilted gantry kept; (C, X, Y) of a picture without a place in the patient. Z spacing comes from the
        positions; SliceThickness serves a single slice only. Values are rescaled (HU for CT): integers where slope and
        intercept are, else float32. A DICOM SEG gives label values, or a channel per segment where segments overlap.
        `source.header` is the list of `Plane` by slice, those of a further channel after those of the one before.

    Raises:
        DataError: for several series, missing orientation, and pixels that cannot be decoded; names file and tag.
        GeometryError: for uneven gaps and slices that lie in the same place.
    """
    segments = _segments(path)
    if segments is not None:
        volume = segments.own_volume()
        return Volume(volume.array, volume.grid, Source(path, FORMAT_NAME, segments.names))
    return _only(find_series(path, below=False), path).read()


def read_slices(paths: Sequence[Path]) -> Volume:
    """Read a series from its files, in any order; `read` says what comes back."""
    where = paths[0].parent
    return _only(images_in(export_of([DicomFile(path) for path in paths], where)), where).read()


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the headers of a folder's series or of a single file."""
    segments = _segments(path)
    return segments.own_grid() if segments is not None else _only(find_series(path, below=False), path).read_grid()


def recognises(path: Path) -> bool:
    """Tell whether a file is DICOM, a folder holds such files directly, or a zip holds them anywhere.

    A DICOMDIR lists files: it is no volume itself, nor is a folder for holding one.
    """
    if path.is_dir():
        children = (DicomFile(child) for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
        return any(is_dicom(child) for child in children if not is_directory(child))
    if not path.is_file() or is_directory(DicomFile(path)):
        return False
    return bool(dicom_files(path)) if is_zip(path) else is_dicom(DicomFile(path))


def stands_alone(path: Path) -> bool:
    """Tell whether a DICOM file is no slice of a series but a segmentation."""
    try:
        return modality_of(DicomFile(path)) == SEGMENTATION
    except DataError:
        return False  # reading it will say why


def is_beside(path: Path) -> bool:
    """Tell whether a DICOM file holds no image but says something of one: contours, a report ..."""
    try:
        return not is_zip(path) and modality_of(DicomFile(path)) in NO_VOLUMES
    except DataError:
        return False  # reading it will say why


def _segments(path: Path) -> Segments | None:
    """Return the segments of a DICOM SEG; None of anything else.

    Raises:
        DataError: for a structure set, which has contours and no grid.
    """
    if not path.is_file() or is_zip(path):
        return None
    modality = modality_of(DicomFile(path))
    if modality == "RTSTRUCT":
        raise DataError("is a structure set: contours on the slices of a series; name that series with like=SERIES")
    return read_segments(DicomFile(path)) if modality == SEGMENTATION else None


def _only(stacks: Sequence[Stack], path: Path) -> SeriesSelection:
    """Return the one volume that is meant.

    Raises:
        DataError: when there are several.
    """
    left = default_choice(stacks)
    if len(left) == 1:
        return SeriesSelection((left[0],), path, DEFAULTS)
    told_apart = ", ".join(dict.fromkeys(trait for stack in left for trait in stack.differs))
    if len({stack.first.series_key for stack in left}) == 1:
        if left[0].faults:
            raise DataError(left[0].faults[0])
        raise DataError(
            f"holds {len(left)} volumes under one {tag_of('SeriesInstanceUID')}, told apart by "
            f"{told_apart or 'their order'} ({left[0].first.file.name} and {left[1].first.file.name}): {shown(left)}; "
            "take one with series.uid=NAME, or all with dicom.volumes=channels"
        )
    raise DataError(f"holds {len(left)} series: {shown(left)}; take one with series.uid=NAME")


FORMAT = Format(
    FORMAT_NAME,
    SUFFIXES,
    read,
    read_grid,
    recognises=recognises,
    stands_alone=stands_alone,
    passed_over=is_beside,
)
