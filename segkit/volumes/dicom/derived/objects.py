"""What every derived object has in common: UIDs and dates that follow from its contents, the source's patient.

The same mask of the same series makes the same bytes: UIDs are hashes, and the date of contents is the source's, for a
clock would make two objects of one UID differ.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.errors import DataError, said_by_library
from segkit.foundation.files import atomic_file
from segkit.version import __version__
from segkit.volumes.dicom.datasets import quietly
from segkit.volumes.dicom.derived.mask import Author
from segkit.volumes.dicom.derived.source import DicomSource

if TYPE_CHECKING:
    from pydicom import Dataset

MANUFACTURER, MODEL_NAME = "segkit", "segkit"
# The Patient and General Study modules as far as they are mandatory (PS3.3, C.7.1.1 and C.7.2.1, types 1 and 2), and
# what says that a patient's identity was removed. All else that a header tells of a person stays where it is.
IDENTITY = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
    *("SpecificCharacterSet", "TimezoneOffsetFromUTC"),
)
DATED = ("Content", "Acquisition", "Series", "Study")  # the source's dates, the first that is given
CLOCKED = (  # what highdicom takes from the clock, and may be missing; and what it copies beyond need
    *("InstanceCreationDate", "InstanceCreationTime", "DateOfSecondaryCapture", "TimeOfSecondaryCapture"),
    "StudyDescription",
)
LONGEST_VERSION = 64  # characters of one of SoftwareVersions
LONGEST_SERIES = 10_000_000  # a larger SeriesNumber is not taken further: the derived one has nine digits


def uid_for(*parts: str) -> str:
    """Return a UID that follows from `parts`, the same on every call, and tells nothing of them (PS3.5, B.2)."""
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"


def series_number(source: DicomSource, place: int) -> int:
    """Return a SeriesNumber for what is derived from a series: 2 and place 1 give 201."""
    return (source.first.series_number or 0) % LONGEST_SERIES * 100 + place


def moment(header: Dataset) -> tuple[str, str]:
    """Return the date and the time, as DICOM writes them, that stand for a derived object's contents: the source's."""
    for kind in DATED:
        date = str(header.get(f"{kind}Date") or "")
        if len(date) == len("YYYYMMDD") and date.isdigit():
            time = str(header.get(f"{kind}Time") or "")
            return date, time if time.split(".")[0].isdigit() and len(time) >= len("HHMMSS") else "000000"
    return "19000101", "000000"


def identity_of(header: Dataset) -> dict[str, Any]:
    """Return the elements of a source's header that a derived object takes over, by keyword."""
    return {keyword: header[keyword] for keyword in IDENTITY if keyword in header}


def settle(made: Dataset, header: Dataset) -> None:
    """Make an object of highdicom's the same on every run, and take out what it copied of a person beyond need."""
    from pydicom.datadict import tag_for_keyword

    kept = {tag_for_keyword(keyword) for keyword in IDENTITY}
    for tag in list(made.keys()):
        # Groups 0010 and 0032 are the patient's and the study's own.
        if tag.group in (0x0010, 0x0012, 0x0032) and tag not in kept:
            del made[tag]
    for keyword in CLOCKED:
        if keyword in made:
            delattr(made, keyword)
    date, time = moment(header)
    for keyword, value in (("ContentDate", date), ("ContentTime", time)):
        if keyword in made:
            setattr(made, keyword, value)
    for equipment in made.get("ContributingEquipmentSequence") or ():
        if "ContributionDateTime" in equipment:
            del equipment.ContributionDateTime


def equipment(author: Author) -> dict[str, Any]:
    """Return what made the object, as highdicom's constructors take it."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": software_versions(author),
        "device_serial_number": "1",
    }


def software_versions(author: Author) -> tuple[str, ...]:
    """Return segkit's version and, where a model drew the mask, its name and version."""
    model = f"{author.name} {author.version}"[-LONGEST_VERSION:].replace("\\", "/")  # a backslash parts values
    return (__version__, model) if author.is_algorithm else (__version__,)


@contextmanager
def making(what: str) -> Iterator[None]:
    """Turn what highdicom and pydicom raise about a source into one line, which quotes nothing of its header.

    Raises:
        DataError: in place of their exceptions.
    """
    log = logging.getLogger("highdicom")
    level = log.level
    log.setLevel(logging.CRITICAL)  # it prints names of people that it finds oddly written
    try:
        with quietly():
            yield
    except (ValueError, TypeError, AttributeError, KeyError, NotImplementedError) as error:
        raise DataError(f"no {what} can be made of this series: {said_by_library(error)}") from error
    finally:
        log.setLevel(level)


def save_object(made: Dataset, path: Path) -> None:
    """Write a derived object, whole or not at all.

    Raises:
        OSError: when it cannot be written.
    """
    with atomic_file(path) as temporary:
        made.save_as(temporary, enforce_file_format=True)
