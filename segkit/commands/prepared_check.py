"""What `segkit check` says of a data set's prepared cases: whether each file in the cache is as it was written."""

from __future__ import annotations

from pathlib import Path

from segkit.datasets.dataset import Dataset
from segkit.foundation.console import progress, say
from segkit.preparation.store import verified
from segkit.preparation.upkeep import TAG, Entry, prepared_entries


def check_prepared(dataset: Dataset, cache: Path) -> int:
    """Compare the checksums of a data set's prepared cases, whatever their times say; damaged ones are taken out.

    Returns:
        how many were damaged; the next training prepares each of them anew, and no other.
    """
    if not (cache / TAG).is_file():  # nothing was prepared yet
        return 0
    entries = [entry for entry in prepared_entries(cache) if is_of(entry, dataset)]
    if not entries:
        return 0
    sound = [verified(str(entry.record["case"]), entry.path) for entry in progress(entries, what="comparing checksums")]
    damaged = sound.count(False)
    say(f"{len(entries)} prepared cases in {cache}, damaged: {damaged}")
    return damaged


def is_of(entry: Entry, dataset: Dataset) -> bool:
    """Say whether a prepared case was made of a data set's files."""
    case = dataset.cases.get(str(entry.record.get("case")))
    folder = str(entry.record.get("images"))
    return case is not None and folder in {str(image.parent) for image in case.images.values()}
