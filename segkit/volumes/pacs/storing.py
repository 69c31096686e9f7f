"""Derived objects, stored in a PACS; those that are there already are left alone."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.pacs.connection import Json, Pacs, is_missing, value_of
from segkit.volumes.pacs.retrieving import INSTANCE

if TYPE_CHECKING:
    from dicomweb_client import DICOMwebClient


def store(pacs: Pacs, path: Path) -> bool:
    """Store one object, byte for byte, unless the PACS has it: UIDs of derived objects follow from their contents.

    Returns:
        whether it was sent; False where it was there.

    Raises:
        DataError: when it cannot be sent, the PACS refuses it, or it belongs to another study than the address.
    """
    dataset = read_dataset(DicomFile(path), pixels=True)
    study, uid = str(dataset.StudyInstanceUID), str(dataset.SOPInstanceUID)
    if pacs.address.study not in ("", study):
        raise DataError(f"{path.name} belongs to another study than {pacs.address.host} was asked to store it in")
    if has(pacs, study, uid):
        return False
    answer = pacs.ask(partial(_stored, dataset=dataset, study=pacs.address.study or None), f"storing {path.name}")
    refused = [int(each.get("FailureReason") or 0) for each in answer.get("FailedSOPSequence") or ()]
    if refused:
        raise DataError(
            f"{pacs.address.host} refuses {path.name}: {tag_of('FailureReason')} is {refused[0]:04X} (PS3.18, I.2.2)"
        )
    if not has(pacs, study, uid):
        raise DataError(f"{pacs.address.host} took {path.name}, and does not find it again")
    return True


def _stored(client: DICOMwebClient, *, dataset: Any, study: str | None) -> Any:
    return client.store_instances([dataset], study)


def has(pacs: Pacs, study: str, uid: str) -> bool:
    """Tell whether a PACS has an instance."""

    def search(client: DICOMwebClient, /, *, offset: int) -> list[Json]:
        wanted = {"SOPInstanceUID": uid}
        return list(client.search_for_instances(study, offset=offset, search_filters=wanted))

    try:
        found = pacs.find(search, INSTANCE, "looking for an instance")
    except DataError as error:
        if is_missing(error.__cause__):  # of a study that is not there some servers say so
            return False
        raise
    return any(value_of(each, INSTANCE) == uid for each in found)
