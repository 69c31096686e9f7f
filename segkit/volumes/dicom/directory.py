"""A DICOMDIR is not needed to find files, but what it names must lie beside it."""

from __future__ import annotations

from segkit.foundation.archives import leaves
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile

NAME = "DICOMDIR"


def is_directory(file: DicomFile) -> bool:
    """Tell whether a file is a DICOMDIR, by its name, which the standard fixes (PS3.10, 8.6)."""
    return file.name.upper() == NAME


def check_directory(file: DicomFile) -> None:
    """Make sure that a DICOMDIR names nothing outside its folder.

    Raises:
        DataError: when it does, or is damaged; the message names file and tag.
    """
    directory = read_dataset(file)
    with guarded(file), quietly():
        names = [record.get("ReferencedFileID") for record in directory.get("DirectoryRecordSequence") or ()]
    for named in names:
        parts = [named] if isinstance(named, str) else list(named or ())
        if parts and leaves("/".join(map(str, parts))):
            raise DataError(f"{file}: {tag_of('ReferencedFileID')} points outside its folder; nothing was read")
