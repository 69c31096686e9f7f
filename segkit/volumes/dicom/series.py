"""The volumes of an export: found, copies left out, faults named."""

from __future__ import annotations

import filecmp
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import tag_of
from segkit.volumes.dicom.directory import check_directory, is_directory
from segkit.volumes.dicom.files import DicomFile, dicom_files
from segkit.volumes.dicom.instances import Instance, Other, Plane, hashed
from segkit.volumes.dicom.known_headers import headers_of
from segkit.volumes.dicom.pixels import voxels_of
from segkit.volumes.dicom.stacks import Stack, stacks_of


@dataclass(frozen=True)
class Lost:
    """A series of which no image can be used.

    Attributes:
        file: one of its files.
        name: of the series, telling nothing of the patient.
        reason: why, in one line that begins with the file.
    """

    file: DicomFile
    name: str
    reason: str


@dataclass(frozen=True)
class Export:
    """What a file, folder or zip holds.

    Attributes:
        where: what was named.
        stacks: the volumes and pictures, by series. What makes one unusable stands in its `faults`.
        others: objects without an image of their own: segmentations, structure sets, reports ...
        unreadable: files that begin as DICOM does and cannot be read, with the reason in one line.
        lost: the series that none of the stacks is of, for nothing of them can be used.
    """

    where: Path
    stacks: tuple[Stack, ...]
    others: tuple[Other, ...]
    unreadable: Mapping[DicomFile, str]
    lost: tuple[Lost, ...] = ()


def look_through(path: Path, *, below: bool = True, workers: int | None = None) -> Export:
    """Find all that a file, a folder, a zip or a DICOMDIR's folder holds, from headers alone.

    Args:
        path: what was named; files of any names, of any number of patients, with whatever else lies between them.
        below: whether folders inside a folder are looked through.
        workers: processes where there are many files; None: as many as there are cores.

    Raises:
        DataError: when a zip or DICOMDIR points outside.
    """
    if path.is_file() and is_directory(DicomFile(path)):
        path, below = path.parent, True
    return export_of(dicom_files(path, below=below), path, workers)


def find_series(path: Path, *, below: bool = True) -> list[Stack]:
    """Find every volume in a file, a folder or a zip, as `look_through` does.

    Raises:
        DataError: when a zip or DICOMDIR points outside, or no image is there that can be read.
    """
    return images_in(look_through(path, below=below))


def images_in(export: Export) -> list[Stack]:
    """Return the volumes of an export.

    Raises:
        DataError: when there are none.
    """
    if not export.stacks:
        raise DataError(next(iter(export.unreadable.values()), f"{export.where} holds no DICOM image"))
    return list(export.stacks)


def export_of(files: Sequence[DicomFile], where: Path, workers: int | None = None) -> Export:
    """Return what some files hold, as `look_through` does; `where` names them in errors.

    Raises:
        DataError: when no image among them can be placed.
    """
    for file in files:
        if is_directory(file):
            check_directory(file)
    headers = headers_of([file for file in files if not is_directory(file)], workers)
    kept, copies, clashes = without_copies(headers.images)
    by_series: dict[str, list[Instance]] = {}
    for instance in kept:
        by_series.setdefault(instance.series_key, []).append(instance)
    faults = {uid: series_faults(series) for uid, series in by_series.items()}
    for file, uid in headers.torn.items():
        faults.setdefault(uid, []).append(headers.unreadable[file])
    # A file that does not tell its series may be any one's in its folder.
    stray = {_home(file): reason for file, reason in headers.unreadable.items() if file not in headers.torn}
    found = stacks_of([instance for instance in kept if instance.frames])
    stacks = tuple(
        _judged(
            stack,
            [
                *faults.get(stack.first.series_key, ()),
                stray.get(_home(stack.first.file), ""),
                clashes.get(stack.first.series_key, ""),
            ],
            copies,
        )
        for stack in found
    )
    broken = {instance.file: instance.fault for instance in kept if not instance.frames}
    unreadable = {**headers.unreadable, **broken}
    uids = {**headers.torn, **{instance.file: instance.series_key for instance in kept if not instance.frames}}
    return Export(where, stacks, tuple(headers.others), unreadable, lost_series(stacks, unreadable, uids))


def lost_series(
    stacks: Sequence[Stack], unreadable: Mapping[DicomFile, str], uids: Mapping[DicomFile, str]
) -> tuple[Lost, ...]:
    """Return the series of which nothing is left: one for each, and one for each file that tells no series alone."""
    there = {stack.first.series_key for stack in stacks}
    homes = {_home(stack.first.file) for stack in stacks}
    lost: dict[str, Lost] = {}
    for file, reason in unreadable.items():
        uid = uids.get(file, "")
        if uid not in there if uid else _home(file) not in homes:
            lost.setdefault(uid or str(file), Lost(file, hashed(uid or str(file)), reason))
    return tuple(lost.values())


def _home(file: DicomFile) -> Path:
    """Return the folder, or the zip, in which a file lies: a file that cannot be read may be any series' there."""
    return file.path if file.member else file.path.parent


def _judged(stack: Stack, faults: Sequence[str], copies: Mapping[str, int]) -> Stack:
    said = [fault for fault in (*faults, *stack_faults(stack)) if fault]
    return replace(stack, repeated=copies.get(stack.first.series_key, 0), faults=tuple(said))


def without_copies(instances: Sequence[Instance]) -> tuple[list[Instance], dict[str, int], dict[str, str]]:
    """Leave out objects that stand twice in an export.

    Returns:
        the others; how many were left out of each series; and for each series in which one SOPInstanceUID stands on
        two different images, that in one line.
    """
    by_uid: dict[tuple[str, str], list[Instance]] = {}
    kept: list[Instance] = []
    copies: dict[str, int] = {}
    clashes: dict[str, str] = {}
    for instance in instances:
        before = by_uid.setdefault((instance.series_key, instance.uid), []) if instance.uid else []
        twin = next((each for each in before if is_alike(each, instance)), None)
        if twin is None:
            before.append(instance)
            kept.append(instance)
        elif is_same_image(twin, instance):
            copies[instance.series_key] = copies.get(instance.series_key, 0) + 1
        else:
            clashes[instance.series_key] = (
                f"{instance.file}: {tag_of('SOPInstanceUID')} is that of another image, {twin.file.name}"
            )
    return kept, copies, clashes


def is_alike(one: Instance, other: Instance) -> bool:
    """Tell whether two objects claim to be the same image in the same place; broken ones claim nothing."""
    claims = [(each.frames, each.encoding.shape, each.number) for each in (one, other)]
    return bool(one.frames) and claims[0] == claims[1]


def is_same_image(one: Instance, other: Instance) -> bool:
    """Tell whether two objects are the same bytes, or decode to the same pixels."""
    if not one.file.member and not other.file.member and filecmp.cmp(one.file.path, other.file.path, shallow=False):
        return True
    try:
        first, second = (voxels_of([Plane(each, frame) for frame in each.frames]) for each in (one, other))
    except DataError:
        return False
    return bool(np.array_equal(first, second))


def series_faults(instances: Sequence[Instance]) -> list[str]:
    """Return what is wrong with a series: broken objects, or one SeriesInstanceUID on two series."""
    faults = [instance.fault for instance in instances if instance.fault]
    keys: tuple[tuple[str, Callable[[Instance], str]], ...] = (
        ("StudyInstanceUID", lambda each: each.study),
        ("PatientID", lambda each: each.patient),
        ("Modality", lambda each: each.modality),
    )
    for keyword, value in keys:
        strangers = _strangers(instances, value)
        if strangers:
            one, other = strangers
            faults.append(
                f"{one.file}: {tag_of('SeriesInstanceUID')} is that of {other.file.name} too, whose {tag_of(keyword)} "
                "is another: one UID stands on two series"
            )
    return faults


def stack_faults(stack: Stack) -> list[str]:
    """Return what is wrong with the planes of one volume: slices of two frames of reference."""
    strangers = _strangers([plane.instance for plane in stack.planes], lambda each: each.frame_of_reference)
    if not strangers:
        return []
    one, other = strangers
    tag = tag_of("FrameOfReferenceUID")
    return [f"{one.file}: {tag} is another than that of {other.file.name}; their positions cannot be compared"]


def _strangers(instances: Sequence[Instance], value: Callable[[Instance], str]) -> tuple[Instance, Instance] | None:
    """Return an object of the rarest value beside one of the most frequent; None where all agree.

    Where every object has a value of its own, they were made so by a careless de-identification and tell nothing.
    """
    groups: dict[str, list[Instance]] = {}
    for instance in {each.file: each for each in instances}.values():
        groups.setdefault(value(instance), []).append(instance)
    if len(groups) < 2 or (len(groups) > 2 and all(len(group) == 1 for group in groups.values())):
        return None
    ranked = sorted(groups.values(), key=len)
    return ranked[0][0], ranked[-1][0]
