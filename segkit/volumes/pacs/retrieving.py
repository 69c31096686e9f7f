"""Series of a study, fetched into a folder; what lies there already is not fetched again."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.options import SeriesOptions
from segkit.foundation.console import progress, say
from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_file
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.pacs.connection import Json, Pacs, value_of

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient

SERIES, INSTANCE, MODALITY, DESCRIPTION = "0020000E", "00080018", "00080060", "0008103E"
UID = re.compile(r"[0-9.]{1,64}")
# Of these nothing is segmented: derived objects, documents, plans, waveforms.
NO_IMAGES = frozenset(
    ("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "RTIMAGE", "SR", "PR", "KO", "DOC", "REG", "FID", "RWV", "PLAN")
    + ("AU", "ECG", "EPS", "HD", "TG", "M3D", "ANN", "STAIN")
)


@dataclass(frozen=True)
class Wanted:
    """One instance to fetch."""

    series: str
    uid: str

    def place(self, folder: Path) -> Path:
        """Return the file that it goes to: a folder a series, names that tell nothing of the patient."""
        return folder / hashed(self.series) / f"{hashed(self.uid)}.dcm"


def retrieve(pacs: Pacs, wanted: SeriesOptions, folder: Path) -> int:
    """Fetch the images of a study, or of one series, into a folder; what else lies there is removed.

    Args:
        pacs: whose address names a study.
        wanted: which series; number of slices is left to whoever reads them.
        folder: a folder a series. Files that are there already stay; each is whole or absent.

    Returns:
        how many instances lie there.

    Raises:
        DataError: when the PACS has no such study or no series that fits, or an instance cannot be fetched.
        OSError: when a file cannot be written.
    """
    series = series_of(pacs, wanted)
    instances = [each for uid in series for each in instances_of(pacs, uid)]
    remove_others({each.place(folder) for each in instances}, folder)
    missing = [each for each in instances if not each.place(folder).exists()]
    say(f"{pacs.address.host}: {len(instances)} instances in {len(series)} series, {len(missing)} to retrieve")
    for each in progress(missing, len(missing), "retrieving"):
        fetch(pacs, each, each.place(folder))
    return len(instances)


def series_of(pacs: Pacs, wanted: SeriesOptions) -> list[str]:
    """Return the SeriesInstanceUIDs that are meant.

    Raises:
        DataError: when there are none.
    """
    address = pacs.address
    only = {"SeriesInstanceUID": address.series} if address.series else None

    def search(client: DICOMwebClient, /, *, offset: int) -> list[Json]:
        fields = ["Modality", "SeriesDescription"]
        return list(client.search_for_series(address.study, offset=offset, fields=fields, search_filters=only))

    found = pacs.find(search, SERIES, "looking for series")
    images = [each for each in found if value_of(each, MODALITY) not in NO_IMAGES and fits(each, wanted)]
    if not images:
        there = ", ".join(sorted({value_of(each, MODALITY) or "?" for each in found})) or "nothing"
        raise DataError(f"{address.host} has no series of images here that fits; it has {there}")
    return [checked(value_of(each, SERIES), pacs) for each in images]


def fits(series: Json, wanted: SeriesOptions) -> bool:
    """Tell whether a series passes the filters that a query can answer."""
    uid = value_of(series, SERIES)
    tests: tuple[tuple[Any, Any], ...] = (
        (wanted.modality, lambda each: each.upper() == value_of(series, MODALITY).upper()),
        (wanted.description, lambda each: fnmatchcase(value_of(series, DESCRIPTION).lower(), each.lower())),
        (wanted.uid, lambda each: each.partition("_")[0] in (uid, hashed(uid))),
    )
    return all(not these or any(map(test, [these] if isinstance(these, str) else these)) for these, test in tests)


def instances_of(pacs: Pacs, series: str) -> list[Wanted]:
    """Return the instances of a series."""
    study = pacs.address.study

    def search(client: DICOMwebClient, /, *, offset: int) -> list[Json]:
        return list(client.search_for_instances(study, series, offset=offset))

    found = pacs.find(search, INSTANCE, "looking for instances")
    return [Wanted(series, checked(value_of(each, INSTANCE), pacs)) for each in found]


def checked(uid: str, pacs: Pacs) -> str:
    """Return a UID that a PACS names.

    Raises:
        DataError: when it is none, and could lead a request elsewhere.
    """
    if not UID.fullmatch(uid):
        raise DataError(f"{pacs.address.host} answers with a UID that is none")
    return uid


def fetch(pacs: Pacs, wanted: Wanted, path: Path) -> None:
    """Write one instance as the PACS holds it, in its own transfer syntax, whole or not at all.

    Raises:
        DataError: when it cannot be fetched, or another one comes.
    """
    request = partial(_retrieved, study=pacs.address.study, wanted=wanted)
    dataset = pacs.ask(request, "retrieving an instance")
    if str(dataset.get("SOPInstanceUID", "")) != wanted.uid:
        raise DataError(f"{pacs.address.host} answers with another instance than was asked for")
    with atomic_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def _retrieved(client: DICOMwebClient, *, study: str, wanted: Wanted) -> Any:
    return client.retrieve_instance(study, wanted.series, wanted.uid, media_types=(("application/dicom", "*"),))


def remove_others(places: set[Path], folder: Path) -> None:
    """Remove from a folder of series what is none of some files: left by another filter, or gone from the PACS."""
    kept = {path.parent for path in places}
    for series in folder.iterdir() if folder.is_dir() else ():
        if series not in kept:
            shutil.rmtree(series)
            continue
        for file in series.iterdir():
            if file not in places:
                file.unlink()
