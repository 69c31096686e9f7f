"""One case, read once: what is wrong within it, and what its cohort must know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.datasets.soundness.findings import ERROR, WARNING, Finding, found
from segkit.datasets.soundness.headers import APART, disagreements, in_3d, missing_files
from segkit.datasets.soundness.mirrored import better_mirrored
from segkit.foundation.errors import DataError, SegkitError
from segkit.volumes.grid import Grid
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume

SHOWN = 5  # values named in a message
LEVELS = (1.0, 5.0, 50.0, 95.0, 99.0)  # percentiles of a channel's intensities
SIDES = ("left", "posterior", "inferior")  # names of the world axes, by their negative ends


@dataclass(frozen=True)
class Measurements:
    """What can be compared between cases.

    Attributes:
        shape: voxels along the world's left-right, posterior-anterior, inferior-superior axis.
        spacing: mm along them.
        voxels: for each image file a hash of its voxels, whatever type they are stored in.
        intensities: for each channel its percentiles `LEVELS`, in its own units.
        volumes: for each label its volume in ml.
    """

    shape: tuple[float, ...] = ()
    spacing: tuple[float, ...] = ()
    voxels: Mapping[str, str] = field(default_factory=dict)
    intensities: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    volumes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Examination:
    """What one case showed.

    Attributes:
        case: that was read.
        findings: within it.
        measurements: empty where nothing could be read.
    """

    case: Case
    findings: tuple[Finding, ...]
    measurements: Measurements = field(default_factory=Measurements)


def examine(case: Case, channels: Mapping[str, Channel], labels: Labels, tolerance: float | None = None) -> Examination:
    """Read the files of a case once and look for everything that can be wrong within it.

    Args:
        case: of the data set.
        channels: that it must have.
        labels: that its reference may hold.
        tolerance: voxels that its grids may lie apart; None: 0.01.
    """
    findings = list(missing_files(case, channels))
    volumes: dict[Path, Volume] = {}
    for path in dict.fromkeys([*case.images.values(), *([case.reference] if case.reference else [])]):
        if path.exists():
            try:
                volumes[path] = read(path)
            except SegkitError as error:
                findings.append(found(case.name, ERROR, "unreadable", str(error), path))
    images = {name: volumes[path] for name, path in case.images.items() if name in channels and path in volumes}
    reference = volumes.get(case.reference) if case.reference else None
    grids = {name: volume.grid for name, volume in images.items()}
    everything = {**grids, **({"": reference.grid} if reference else {})}
    findings += disagreements(case, everything, channels, APART if tolerance is None else tolerance)
    parts = dict(channel_parts(case, images, channels, findings))
    for name, part in parts.items():
        findings += image_faults(case.name, name, part, case.images[name])
    values = reference_values(case, reference, labels, findings)
    if values is not None:
        findings += reference_faults(case, values, labels)
        findings += mirror_faults(case, parts, grids, values, labels)
    return Examination(case, tuple(findings), measured(case, images, parts, reference, values, labels))


def channel_parts(
    case: Case, images: Mapping[str, Volume], channels: Mapping[str, Channel], findings: list[Finding]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the array (C, ...) of each channel; a file with other channels than declared becomes a finding."""
    for path in dict.fromkeys(case.images[name] for name in images):
        names = [name for name in channels if name in images and case.images[name] == path]
        array, wanted = images[names[0]].array, sum(channels[name].width for name in names)
        if len(array) != wanted:
            message = f"it has {len(array)} channels where {', '.join(names)} takes {wanted}"
            findings.append(found(case.name, ERROR, "channel-count", message, path))
            continue
        stops = np.cumsum([channels[name].width for name in names])[:-1]
        yield from zip(names, np.split(array, stops), strict=True)


def image_faults(case: str, channel: str, array: NDArray[Any], path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the voxels of a channel."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        yield found(case, ERROR, "non-finite", f"{channel} has {count} voxels that are NaN or infinite", path)
    elif array.min() == array.max():
        yield found(case, ERROR, "constant-image", f"{channel} is {float(array.min()):g} everywhere", path)


def reference_values(
    case: Case, reference: Volume | None, labels: Labels, findings: list[Finding]
) -> NDArray[Any] | None:
    """Return one value per voxel of a reference; one that holds no such values becomes a finding."""
    if reference is None:
        return None
    try:
        return label_values(reference, "it", in_colour=labels.in_colour)
    except DataError as error:
        findings.append(found(case.name, ERROR, "channel-count", str(error), case.reference))
        return None


def reference_faults(case: Case, values: NDArray[Any], labels: Labels) -> Iterator[Finding]:
    """Yield what is wrong with the values of a reference."""
    present = np.unique(values)
    if values.dtype.kind == "f":
        finite = np.isfinite(present)
        if not finite.all():
            yield found(
                case.name, ERROR, "non-finite", "the reference has voxels that are NaN or infinite", case.reference
            )
        present = present[finite]
        broken = present[present != np.rint(present)]
        if broken.size:
            message = f"it holds {_listed(broken)}, and label values are whole numbers"
            yield found(case.name, ERROR, "non-integer-label", message, case.reference)
        present = present[present == np.rint(present)]
    unknown = [value for value in present.tolist() if value not in labels.stored]
    if unknown:
        message = f"it holds {_listed(np.array(unknown))}, which data.labels does not declare"
        yield found(case.name, ERROR, "unexpected-label-value", message, case.reference)
    foreground = {value for name in labels.foreground for value in labels.members[name]}
    if not unknown and not foreground & set(present.tolist()):
        yield found(case.name, WARNING, "empty-reference", "the reference holds no label", case.reference)


def mirror_faults(
    case: Case, parts: Mapping[str, NDArray[Any]], grids: Mapping[str, Grid], values: NDArray[Any], labels: Labels
) -> Iterator[Finding]:
    """Yield a finding where the reference would follow the image's edges better if it were mirrored."""
    background = next(iter(labels.members.values()))
    uncounted = [*background, *([] if labels.ignore is None else [labels.ignore])]
    labelled = ~np.isin(values, uncounted)
    for name, part in parts.items():
        image = part.mean(axis=0) if len(part) > 1 else part[0]
        if image.shape != labelled.shape or not np.isfinite(image).all():
            continue
        better = better_mirrored(image, labelled)
        if better is not None:
            axis = int(np.argmax(np.abs(grids[name].affine[:3, better[0]])))
            message = (
                f"mirrored along array axis {better[0]} ({SIDES[axis]} to its opposite) the reference follows edges of "
                f"{name} {better[1]:.2f} times as well"
            )
            yield found(case.name, WARNING, "mirrored-reference", message, case.reference)
            return


def measured(
    case: Case,
    images: Mapping[str, Volume],
    parts: Mapping[str, NDArray[Any]],
    reference: Volume | None,
    values: NDArray[Any] | None,
    labels: Labels,
) -> Measurements:
    """Return what a cohort compares."""
    if not images:
        return Measurements()
    grid = in_3d(next(iter(images.values())).grid)
    order = np.argmax(np.abs(grid.affine[:3, :3]) / np.asarray(grid.spacing), axis=1)
    files = {str(case.images[name]): volume for name, volume in images.items()}
    volumes: dict[str, float] = {}
    if values is not None and reference is not None:
        voxel_ml = abs(float(np.linalg.det(reference.grid.affine[:3, :3]))) / 1000
        counts = dict(zip(*(each.tolist() for each in np.unique(values, return_counts=True)), strict=True))
        for name in labels.foreground:
            volumes[name] = voxel_ml * sum(counts.get(value, 0) for value in labels.members[name])
    return Measurements(
        shape=tuple(float(grid.shape[axis]) for axis in order),
        spacing=tuple(grid.spacing[axis] for axis in order),
        voxels={path: voxel_hash(volume.array) for path, volume in files.items()},
        intensities={name: levels(part) for name, part in parts.items()},
        volumes=volumes,
    )


def levels(array: NDArray[Any]) -> tuple[float, ...]:
    """Return the percentiles of a channel's finite voxels."""
    flat = array.reshape(-1)
    flat = flat[np.isfinite(flat)] if array.dtype.kind == "f" else flat
    return tuple(np.percentile(flat, LEVELS).tolist()) if flat.size else ()


def voxel_hash(array: NDArray[Any]) -> str:
    """Return a hash of shape and voxel values that is the same for every number type that holds them."""
    digest = blake2b(repr(array.shape).encode(), digest_size=16)
    for plane in array.reshape(-1, *array.shape[2:]):
        digest.update((np.ascontiguousarray(plane, dtype=np.float64) + 0.0).tobytes())  # -0.0 is 0.0
    return digest.hexdigest()


def _listed(values: NDArray[Any]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:SHOWN])
    return f"{shown} ..." if len(values) > SHOWN else shown
