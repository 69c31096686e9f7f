"""An export as cases: which series are meant, and what each is called without naming anybody."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from segkit.config.options import DicomOptions, SeriesOptions
from segkit.foundation.errors import DataError
from segkit.volumes.dicom.choosing import chosen, is_filter
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset
from segkit.volumes.dicom.directory import is_directory
from segkit.volumes.dicom.files import DicomFile, dicom_files, files_in, is_dicom, is_zip
from segkit.volumes.dicom.selection import LostSelection, SeriesSelection, selections
from segkit.volumes.dicom.series import images_in, look_through

SHORTEST = 3  # letters of a name that are looked for within a folder's; shorter ones are compared with its words
IDENTITIES = ("PatientName", "OtherPatientNames", "PatientID", "PatientBirthDate")
COMPONENTS = re.compile(r"[\^=]")  # of a person's name
SEPARATORS = re.compile(r"[\W_]+")
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def is_export(path: Path) -> bool:
    """Tell whether a path is DICOM that may hold many series: a folder with such files below, a zip, a DICOMDIR."""
    if path.is_dir():
        return any(is_dicom(DicomFile(file)) for file in files_in(path))
    return (is_zip(path) and bool(dicom_files(path))) or (path.is_file() and is_directory(DicomFile(path)))


def cases_in(
    path: Path, wanted: SeriesOptions | None, options: DicomOptions, workers: int | None = None
) -> dict[str, SeriesSelection | LostSelection]:
    """Return each series of an export that is meant, by case name; one that cannot be used says so when it is read.

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
    export = look_through(path, workers=workers)
    stacks = chosen(images_in(export), wanted, path)
    lost = [] if is_filter(wanted) else [LostSelection(each, path) for each in export.lost]
    picks: list[SeriesSelection | LostSelection] = [*selections(stacks, path, options), *lost]
    folders = [pick.parent for pick in picks]
    is_own = folders == [path] or (len(set(folders)) == len(picks) and {folder.parent for folder in folders} == {path})
    if is_own and path.is_dir():
        return {pick.name if gives_away(file_of(pick)) else pick.parent.name: pick for pick in picks}
    return {pick.name: pick for pick in picks}


def file_of(pick: SeriesSelection | LostSelection) -> DicomFile:
    """Return one file of a series."""
    return pick.lost.file if isinstance(pick, LostSelection) else pick.files[0]


def gives_away(file: DicomFile) -> bool:
    """Tell whether the name of a file's folder holds the name, birth date or PatientID of its patient.

    Spelling does not matter: capitals, accents, separators and the order of day, month and year. Where the PatientID is
    the name as well, or a part of it, it is a pseudonym that folders rightly bear.
    """
    try:
        with guarded(file), quietly():
            header = read_dataset(file, only=IDENTITIES)
            name, other, identifier, birth = (str(header.get(keyword) or "") for keyword in IDENTITIES)
    except DataError:
        return True  # who knows
    pseudonym, components = plain_word(identifier), {plain_word(part) for part in COMPONENTS.split(name)}
    words = {plain_word(word) for word in SEPARATORS.split(f"{name}^{other}")} - {""}
    folder = plain_word(file.path.parent.name)
    tokens = {plain_word(token) for token in SEPARATORS.split(file.path.parent.name)}
    if not pseudonym or pseudonym in {plain_word(name), *components, *words}:
        words = {word for word in words if word not in pseudonym}
    else:
        words.add(pseudonym)
    return any(word in tokens or (len(word) >= SHORTEST and word in folder) for word in words) or holds_date(
        file.path.parent.name, birth
    )


def plain_word(text: str) -> str:
    """Return letters and digits alone, small, without accents; German umlauts as two letters."""
    spelled = text.lower().translate(UMLAUTS)
    plain = unicodedata.normalize("NFKD", spelled)
    return "".join(letter for letter in plain if letter.isalnum())


def holds_date(text: str, date: str) -> bool:
    """Tell whether a text holds a date, written YYYYMMDD, in any usual order and with any separators."""
    if len(date) != len("YYYYMMDD") or not date.isdigit():
        return False
    year, month, day = date[:4], date[4:6], date[6:]
    digits = "".join(letter for letter in text if letter.isdigit())
    return any(order in digits for order in (year + month + day, day + month + year, month + day + year))
