"""An export as cases: which series are meant, and what each is called without naming anybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from segkit.config.options import DicomOptions, SeriesOptions
from segkit.volumes.dicom.datasets import quietly, read_dataset
from segkit.volumes.dicom.directory import is_directory
from segkit.volumes.dicom.files import DicomFile, dicom_files, is_dicom, is_zip
from segkit.volumes.dicom.selection import SeriesSelection, selections
from segkit.volumes.dicom.series import chosen, find_series

SHORTEST = 3  # letters of a name that are looked for in a folder's


def is_export(path: Path) -> bool:
    """Tell whether a path is DICOM that may hold many series: a folder with such files below, a zip, a DICOMDIR."""
    if path.is_dir():
        return any(is_dicom(DicomFile(file)) for file in path.rglob("*") if file.is_file())
    return (is_zip(path) and bool(dicom_files(path))) or (path.is_file() and is_directory(DicomFile(path)))


def cases_in(
    path: Path, wanted: SeriesOptions | None, options: DicomOptions, workers: int | None = None
) -> dict[str, SeriesSelection]:
    """Return each series of an export that is meant, by case name.

    A case is called as its folder where each has a folder of its own directly below `path`, or is all that lies in
    `path`; otherwise, and where a folder's name gives its patient away, by a hash of the SeriesInstanceUID.

    Args:
        path: file, folder or zip.
        wanted: which series; None: the usual choice.
        options: how they are read.
        workers: processes.

    Raises:
        DataError: when nothing is there, nothing fits, or the export points outside itself.
    """
    picks = selections(chosen(find_series(path, workers=workers), wanted, path), path, options)
    folders = [pick.parent for pick in picks]
    is_own = folders == [path] or (len(set(folders)) == len(picks) and {folder.parent for folder in folders} == {path})
    if is_own and path.is_dir():
        return {pick.name if gives_away(pick) else pick.parent.name: pick for pick in picks}
    return {pick.name: pick for pick in picks}


def gives_away(pick: SeriesSelection) -> bool:
    """Tell whether the name of a series' folder holds the name or birth date of its patient."""
    header = read_dataset(pick.files[0], only=["PatientName", "PatientID", "PatientBirthDate", "OtherPatientNames"])
    with quietly():
        known = [header.get(keyword) for keyword in ("PatientName", "PatientBirthDate", "OtherPatientNames")]
    words = {word for value in known for word in _words(str(value or "")) if len(word) >= SHORTEST}
    # A data set whose patients' names are pseudonyms has those for IDs too, and its folders rightly bear them.
    words -= {str(header.get("PatientID", "")).lower()}
    folder = pick.parent.name.lower()
    return any(word in folder for word in words)


def _words(value: str) -> Sequence[str]:
    return [part.lower() for part in re.split(r"[\s^=,\\\[\]']+", value) if part]
