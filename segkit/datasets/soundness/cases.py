"""One case, read once: what is wrong within it, and what its cohort must know of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import Labels
from segkit.datasets.case import Case
from segkit.datasets.soundness.findings import ERROR, WARNING, Finding, found
from segkit.datasets.soundness.headers import disagreements, missing_files, read_by
from segkit.datasets.soundness.mirrored import Mirroring, best_mirroring
from segkit.datasets.soundness.voxels import levels, voxel_hash
from segkit.foundation.errors import DataError
from segkit.foundation.suggestions import some_of
from segkit.volumes.grid import APART, Grid, as_3d
from segkit.volumes.label_values import label_values, value_counts
from segkit.volumes.reading import read
from segkit.volumes.selection import Location
from segkit.volumes.volume import Volume

LONGEST_TABLE = 1 << 16  # values that are numbered through a table
SIDES = ("left and right", "front and back", "top and bottom")  # what the world axes tell apart


@dataclass(frozen=True)
class Measurements:
    """What can be compared between cases.

    Attributes:
        shape: voxels along the world's left-right, posterior-anterior, inferior-superior axis.
        spacing: mm along them.
        voxels: for each image file a hash of its voxels, whatever type they are stored in; none of a constant one.
        intensities: for each channel its percentiles `LEVELS`, in its own units.
        volumes: for each label its volume in ml.
        mirroring: how the reference would fit mirrored; None where that cannot be told.
    """

    shape: tuple[float, ...] = ()
    spacing: tuple[float, ...] = ()
    voxels: Mapping[str, str] = field(default_factory=dict)
    intensities: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    volumes: Mapping[str, float] = field(default_factory=dict)
    mirroring: Mirroring | None = None


@dataclass(frozen=True)
class Examination:
    """What one case showed.

    Attributes:
        case: that was read.
        findings: within it.
        measurements: empty where nothing could be read.
        picture: what `look` made of the case; None where there is nothing to see.
    """

    case: Case
    findings: tuple[Finding, ...]
    measurements: Measurements = field(default_factory=Measurements)
    picture: Any = None


@dataclass(frozen=True, eq=False)
class Reference:
    """The values of a reference, counted once.

    Attributes:
        values: shape (X, Y[, Z]).
        grid: on which they lie.
        present: the values that occur, sorted.
        counts: voxels of each.
    """

    values: NDArray[Any]
    grid: Grid
    present: NDArray[Any]
    counts: NDArray[np.int64]


Look = Callable[[NDArray[Any], Grid, NDArray[Any] | None], Any]  # the first channel (C, X, Y[, Z]), label values


def examine(
    case: Case,
    channels: Mapping[str, Channel],
    labels: Labels,
    tolerance: float = APART,
    look: Look | None = None,
) -> Examination:
    """Read the files of a case once and look for everything that can be wrong within it.

    Args:
        case: of the data set.
        channels: that it must have.
        labels: that its reference may hold.
        tolerance: voxels that its grids may lie apart.
        look: makes a picture of the case while its voxels are in memory.
    """
    findings = list(missing_files(case, channels))
    volumes = read_by(read, case, findings)
    images = {name: volumes[path] for name, path in case.images.items() if name in channels and path in volumes}
    grids = {name: volume.grid for name, volume in images.items()}
    drawn = volumes.get(case.reference) if case.reference else None
    everything = {**grids, **({"": drawn.grid} if drawn else {})}
    findings += disagreements(case, everything, channels, tolerance)
    parts = dict(channel_parts(case, images, channels, findings))
    for name, part in parts.items():
        findings += image_faults(case.name, name, part, case.images[name])
    shown = {name: levels(part) for name, part in parts.items()}
    reference = counted(case, drawn, labels, findings)
    mirroring = None
    if reference is not None:
        findings += reference_faults(case, reference, labels)
        # A case that cannot be used has no outlines that could be told from mirrored ones.
        if not any(finding.severity == ERROR for finding in findings):
            mirroring = telling_mirroring(parts, shown, channels, classes_of(reference, labels), reference.grid)
        if mirroring is not None and mirroring.is_certain:
            findings.append(mirrored_reference(case, mirroring))
    files = {str(case.images[name]): volume for name, volume in images.items()}
    measurements = Measurements(
        *world_axes(next(iter(grids.values()), None)),
        voxels={path: voxel_hash(volume.array) for path, volume in files.items() if not is_constant(volume.array)},
        intensities=shown,
        volumes=label_volumes(reference, labels),
        mirroring=mirroring,
    )
    return Examination(case, tuple(findings), measurements, seen(look, parts, grids, reference))


def seen(
    look: Look | None, parts: Mapping[str, NDArray[Any]], grids: Mapping[str, Grid], reference: Reference | None
) -> Any:
    """Return the picture of the first channel that could be read, with the reference where it has the same shape."""
    if look is None or not parts:
        return None
    name = next(iter(parts))
    fits = reference is not None and reference.values.shape == grids[name].shape
    return look(parts[name], grids[name], reference.values if reference is not None and fits else None)


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


def is_constant(array: NDArray[Any]) -> bool:
    """Say whether every voxel holds the same value."""
    return bool(array.min() == array.max())


def image_faults(case: str, channel: str, array: NDArray[Any], path: Location) -> Iterator[Finding]:
    """Yield what is wrong with the voxels of a channel."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        message = f"{channel} has {count} {'voxel' if count == 1 else 'voxels'} of NaN or infinity"
        yield found(case, ERROR, "non-finite", message, path)
    elif is_constant(array):
        yield found(case, ERROR, "constant-image", f"{channel} is {float(array.flat[0]):g} everywhere", path)


def counted(case: Case, volume: Volume | None, labels: Labels, findings: list[Finding]) -> Reference | None:
    """Return the values of a reference; one that holds no single value per voxel becomes a finding."""
    if volume is None:
        return None
    try:
        values = label_values(volume, "it", in_colour=labels.in_colour)
    except DataError as error:
        findings.append(found(case.name, ERROR, "channel-count", str(error), case.reference))
        return None
    return Reference(values, volume.grid, *value_counts(values))


def reference_faults(case: Case, reference: Reference, labels: Labels) -> Iterator[Finding]:
    """Yield what is wrong with the values of a reference."""
    finite = reference.present[np.isfinite(reference.present)]
    if finite.size < reference.present.size:
        yield found(case.name, ERROR, "non-finite", "the reference has voxels of NaN or infinity", case.reference)
    whole = finite == np.rint(finite)
    if not whole.all():
        message = f"it holds {in_words(finite[~whole])}, and label values are whole numbers"
        yield found(case.name, ERROR, "non-integer-label", message, case.reference)
    unknown = [value for value in finite[whole].tolist() if value not in labels.stored]
    if unknown:
        message = f"it holds {in_words(unknown)}, which data.labels does not declare"
        yield found(case.name, ERROR, "unexpected-label-value", message, case.reference)
    foreground = {value for name in labels.foreground for value in labels.members[name]}
    if whole.all() and not unknown and not foreground & set(finite.tolist()):
        yield found(case.name, WARNING, "empty-reference", "the reference holds no label", case.reference)


def classes_of(reference: Reference, labels: Labels) -> NDArray[np.int16]:
    """Return 0 for the background, 1, 2 ... for other values, -1 where nothing is known."""
    background = next(iter(labels.members.values()))
    numbers = {value: -1 if value == labels.ignore else number + 1 for value, number in labels.stored.items()}
    present = [(int(value), numbers[int(value)]) for value in reference.present if int(value) not in background]
    values = reference.values
    if values.dtype.kind == "u" and reference.present[-1] < LONGEST_TABLE:
        table = np.zeros(int(reference.present[-1]) + 1, np.int16)
        for value, number in present:
            table[value] = number
        return np.asarray(table[values])
    classes = np.zeros(values.shape, np.int16)
    for value, number in present:
        classes[values == value] = number
    return classes


def telling_mirroring(
    parts: Mapping[str, NDArray[Any]],
    shown: Mapping[str, tuple[float, ...]],
    channels: Mapping[str, Channel],
    classes: NDArray[np.int16],
    grid: Grid,
) -> Mirroring | None:
    """Return the mirroring that the channel which says most about the labels speaks for, or against."""
    candidates = []
    for name, part in parts.items():
        if channels[name].onto is None and part.shape[1:] == classes.shape and shown[name]:
            image = part.mean(axis=0) if len(part) > 1 else part[0]
            candidates.append(best_mirroring(image, classes, shown[name][0], shown[name][-1]))
    known = [each for each in candidates if each]
    if not known:
        return None
    best = max(known, key=lambda each: abs(math.log(each.ratio)))
    return replace(best, sides=SIDES[int(np.argmax(np.abs(grid.affine[:3, best.axis])))])


def mirrored_reference(case: Case, mirroring: Mirroring) -> Finding:
    """Return the finding that a reference would fit better mirrored."""
    message = (
        f"with {mirroring.sides} swapped (array axis {mirroring.axis}) its outline follows edges of the image "
        f"{mirroring.ratio:.2f} times as well"
    )
    return found(case.name, WARNING, "mirrored-reference", message, case.reference)


def world_axes(grid: Grid | None) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return voxels and mm along the world's left-right, posterior-anterior, inferior-superior axis."""
    if grid is None:
        return (), ()
    grid = as_3d(grid)
    order = np.argmax(np.abs(grid.affine[:3, :3]) / np.asarray(grid.spacing), axis=1)
    return tuple(float(grid.shape[axis]) for axis in order), tuple(grid.spacing[axis] for axis in order)


def label_volumes(reference: Reference | None, labels: Labels) -> dict[str, float]:
    """Return the volume of each label in ml; {} where there is no reference."""
    if reference is None:
        return {}
    voxel_ml = abs(float(np.linalg.det(reference.grid.affine[:3, :3]))) / 1000
    return {
        name: voxel_ml * int(reference.counts[np.isin(reference.present, labels.members[name])].sum())
        for name in labels.foreground
    }


def in_words(values: Iterable[float]) -> str:
    """Return values in a sentence."""
    return some_of([f"{value:g}" for value in values])
