"""`predict` with a PACS as source or sink: fetched into a folder, segmented there, stored, and then cleared away."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from segkit.config.addresses import address_from, is_address
from segkit.config.commands import PredictConfig
from segkit.foundation.console import progress, say
from segkit.foundation.errors import SegkitError, StoppedError, UsageError
from segkit.foundation.failures import failures_said
from segkit.foundation.hashing import value_hash
from segkit.foundation.locks import lock
from segkit.inference.cohort import Cohort
from segkit.inference.exporters import AUTO, exporters_named
from segkit.runs.manifest import read_manifest
from segkit.volumes.pacs.connection import Pacs, connect
from segkit.volumes.pacs.retrieving import retrieve
from segkit.volumes.pacs.storing import store

STORED = "dicom_seg"  # what export=auto is where masks go into a PACS
SCANS, OBJECTS = "scans", "objects"


def through_pacs(config: PredictConfig, segment: Callable[[PredictConfig], Cohort]) -> Cohort:
    """Segment with `input` or `output` in a PACS.

    What is fetched and made lies in a folder below `pacs.folder`, which only this user can read, until the whole
    command has succeeded: run again, it goes on with what is missing.

    Args:
        config: of the command.
        segment: does the same with folders.

    Returns:
        what became of the scans; of a sink those also count as failed of which an object could not be stored.

    Raises:
        UsageError: when an export is no DICOM object, or credentials would be sent in clear.
        DataError: when the PACS cannot be reached or has nothing that fits.
        MissingExtraError: when dicomweb-client is not installed.
    """
    export = storable(config.export) if is_address(config.output) else config.export
    source = connect(address_from(config.input or "", "input"), config.pacs) if is_address(config.input) else None
    sink = connect(address_from(config.output or "", "output"), config.pacs) if is_address(config.output) else None
    folder = Path(config.pacs.folder) / value_hash([config.input, config.output])[:16]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with lock(folder / "lock", doing="exchanging the same with this PACS"):
        folder.mkdir(exist_ok=True, mode=0o700)  # whoever was waited for may have cleared it away
        local = replace(config, input=str(folder / SCANS)) if source else config
        if sink:
            local = replace(local, output=str(folder / OBJECTS), export=export)
        if source:
            retrieve(source, config.series, folder / SCANS)
        cohort = segment(local)
        if sink:
            store_cohort(sink, cohort, folder / OBJECTS)
        if cohort.failed:
            say(f"what was fetched and made is kept for the same command, run again: {folder}")
        else:
            shutil.rmtree(folder)
    return cohort


def storable(wanted: str | list[str]) -> list[str]:
    """Return the exports of masks that go into a PACS.

    Raises:
        UsageError: when one of them is no DICOM object.
    """
    names = [STORED if name == AUTO else name for name in ([wanted] if isinstance(wanted, str) else wanted)]
    for exporter in exporters_named(names):
        if exporter is not None and not exporter.needs_dicom:
            raise UsageError(f"export={exporter.name}: a PACS takes DICOM objects only, such as export=[{STORED}]")
    return list(names)


def store_cohort(pacs: Pacs, cohort: Cohort, folder: Path) -> None:
    """Store every object of every case; a case of which one cannot be stored is named and counts as failed."""
    sent = there = 0
    listed = read_manifest(folder).cases
    with failures_said() as tell:
        for name in progress(list(cohort.masks), len(cohort.masks), "storing"):
            try:
                for path in objects_of(listed[name], folder):
                    is_new = store(pacs, path)
                    sent, there = sent + is_new, there + (not is_new)
            except StoppedError:
                raise
            except (SegkitError, OSError) as problem:
                cohort.failed[name] = str(problem)
                cohort.masks.pop(name)
                tell(name, str(problem))
    say(f"{pacs.address.host}: {sent} objects stored" + (f", {there} were there already" if there else ""))


def objects_of(entry: Mapping[str, Any], folder: Path) -> list[Path]:
    """Return the files of a case, as its entry in the folder's manifest lists them."""
    return [folder / Path(str(name)).name for name in entry.get("files", {}).values()]
