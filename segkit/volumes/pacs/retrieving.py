"""Series of a study, fetched into a folder; what lies there already is not fetched again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.addresses import is_uid
from segkit.config.options import SeriesOptions
from segkit.foundation.console import progress_bar, say
from segkit.foundation.errors import DataError
from segkit.foundation.files import atomic_file, remove
from segkit.volumes.dicom.choosing import passes
from segkit.volumes.dicom.instances import hashed
from segkit.volumes.pacs.connection import Json, Pacs, silently, value_of

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient
    from pydicom import Dataset

SERIES, INSTANCE, MODALITY, DESCRIPTION = "0020000E", "00080018", "00080060", "0008103E"
AS_STORED = (("application/dicom", "*"),)  # in whatever transfer syntax the PACS has it
FEW = 4  # instances that are asked for one by one: a request for the series brings those along that are there already
# Of these nothing is segmented: derived objects, documents, plans, waveforms.
NO_IMAGES = frozenset(
    [
        *("SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "RTIMAGE", "REG", "FID", "RWV", "PLAN", "M3D"),
        *("SR", "PR", "KO", "DOC", "AU", "ECG", "EPS", "HD", "TG", "ANN", "STAIN"),
    ]
)


@dataclass(frozen=True)
class Wanted:
    """One instance to fetch."""

    series: str
    uid: str

    def place(self, folder: Path) -> Path:
        """Return the file that it goes to: a folder a series, names that tell nothing of the patient."""
        # Thousands lie in one folder, and two of one name would be one.
        return folder / hashed(self.series) / f"{hashed(self.uid, digits=32)}.dcm"


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
    with progress_bar(len(missing), "retrieving") as advance:
        for uid in series:
            awaited = {each.uid: each.place(folder) for each in missing if each.series == uid}
            for _ in chain(streamed(pacs, uid, awaited), one_by_one(pacs, uid, awaited)):
                advance()
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
    uid, modality, description = (value_of(series, tag) for tag in (SERIES, MODALITY, DESCRIPTION))
    return passes(wanted, modality, description, lambda name: name.partition("_")[0] in (uid, hashed(uid)))


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
    if not is_uid(uid):
        raise DataError(f"{pacs.address.host} answers with a UID that is none")
    return uid


def streamed(pacs: Pacs, series: str, awaited: dict[str, Path]) -> Iterator[str]:
    """Fetch a series in one request, which spares a PACS far away the ways between, where most of it is missing.

    Args:
        pacs: to ask.
        series: its SeriesInstanceUID.
        awaited: files by SOPInstanceUID; one that is written is taken out.

    Yields:
        the UID of each instance that is written. A stream that breaks ends; what it did not bring stays awaited.

    Raises:
        OSError: when a file cannot be written.
    """
    if len(awaited) < FEW:
        return
    with silently():
        try:
            stream = pacs.client.iter_series(pacs.address.study, series, media_types=AS_STORED)
        except (OSError, ValueError):
            return  # asked one by one, they will tell why
        while (dataset := _following(stream)) is not None:
            uid = str(dataset.get("SOPInstanceUID", ""))
            if uid in awaited:
                save(dataset, awaited.pop(uid))
                yield uid


def _following(stream: Iterator[Dataset]) -> Dataset | None:
    try:
        return next(stream, None)
    except (OSError, ValueError, AttributeError):  # lost connections; what is no DICOM
        return None


def one_by_one(pacs: Pacs, series: str, awaited: dict[str, Path]) -> Iterator[str]:
    """Fetch instances of a series one by one, each again where that fails in passing; as `streamed`.

    Raises:
        DataError: when one cannot be fetched, or another one comes.
        OSError: when a file cannot be written.
    """
    for uid in list(awaited):
        dataset = pacs.ask(partial(_retrieved, place=(pacs.address.study, series, uid)), "retrieving an instance")
        if str(dataset.get("SOPInstanceUID", "")) != uid:
            raise DataError(f"{pacs.address.host} answers with another instance than was asked for")
        save(dataset, awaited.pop(uid))
        yield uid


def _retrieved(client: DICOMwebClient, *, place: tuple[str, str, str]) -> Any:
    return client.retrieve_instance(*place, media_types=AS_STORED)


def save(dataset: Dataset, path: Path) -> None:
    """Write an instance as it came, whole or not at all."""
    with atomic_file(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)


def remove_others(places: set[Path], folder: Path) -> None:
    """Remove from a folder of series what is none of some files: left by another filter, or gone from the PACS."""
    kept = {path.parent for path in places}
    for series in folder.iterdir() if folder.is_dir() else ():
        if series not in kept:
            remove(series)
            continue
        for file in series.iterdir():
            if file not in places:
                remove(file)
