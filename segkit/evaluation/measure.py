"""Measures many masks side by side: volume, place, shape and intensities of each label and connected component."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter
from typing import NamedTuple

from segkit.config.labels import BACKGROUND, IGNORE, Declared, in_colour, values_of
from segkit.evaluation.cases import Members, foreground_of, voxels_at
from segkit.evaluation.features import Cell, columns_of, families, features_of, features_of_nothing
from segkit.evaluation.regions import Region, boxes_of, region_of
from segkit.foundation.console import progress
from segkit.foundation.errors import DataError
from segkit.foundation.parallel import parallel_map
from segkit.volumes.label_values import label_values
from segkit.volumes.reading import read
from segkit.volumes.selection import Location
from segkit.volumes.volume import Volume

KEYS = ("case", "label", "component")  # component: empty for the whole label, else 1 for the largest, 2 ...
MASK_BYTES, CHANNEL_BYTES = 24, 32  # per voxel: as read, in widest number type, and the largest region's work on it
FEW_VOXELS = 20_000_000  # measured in about the time that other processes take to start

Row = dict[str, Cell]


class Case(NamedTuple):
    """One mask and what lies beneath it: channel -> image; a file that holds several channels stands under each."""

    name: str
    mask: Location
    images: Mapping[str, Location]


@dataclass(frozen=True)
class Wanted:
    """What is measured.

    Attributes:
        labels: as `data.labels` declares them; None: every value but 0, named by itself.
        components: whether each connected component has a row too.
        bin_width: of the histogram behind entropy and uniformity, in the image's own units.
        tolerance: largest distance in mm between equal voxels of mask and image; None takes `Grid.check_same_as`'s.
    """

    labels: Declared | None = None
    components: bool = False
    bin_width: float = 25.0
    tolerance: float | None = None


@dataclass(frozen=True)
class Measured:
    """One case.

    Attributes:
        dims: 2 or 3, the axes of its mask.
        rows: label -> its row and those of its components, `KEYS` not among the columns; none where it has no voxels.
        unnamed: values of the mask that are neither a label nor background.
    """

    dims: int
    rows: dict[str, list[Row]]
    unnamed: tuple[int, ...]


@dataclass(frozen=True)
class Measurements:
    """Many cases.

    Attributes:
        columns: `KEYS`, then the features of the kinds of masks that occurred.
        rows: sorted by case, labels as declared, components by size; a cell that is missing or None is undefined.
        failed: case -> why it has no rows.
        unnamed: values that occurred and that no label names.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    failed: dict[str, str]
    unnamed: tuple[int, ...]


def measure_cases(
    cases: Sequence[Case], wanted: Wanted, *, workers: int | None = None, failed: Mapping[str, str] | None = None
) -> Measurements:
    """Measure every case; one that fails is named in `failed` and the others are finished.

    Args:
        cases: with the same channels in each.
        wanted: what to measure.
        workers: processes; by default as many as cores and memory allow, and one where there is little to read.
        failed: cases that could not be paired, with the reason: they are reported with those that fail here.

    Returns:
        A row per case and label, also where a case lacks the label, and per component.

    Raises:
        DataError: when no labels are declared and no mask holds any.
        UsageError: when labels are ambiguous, or name only the background.
    """
    families()  # a mistake in a third party's is found before anything is read
    if wanted.labels is not None:
        foreground_of(wanted.labels)
    channels = tuple(dict.fromkeys(channel for case in cases for channel in case.images))
    sizes = [voxels_at(case.mask) for case in cases]
    if workers is None and sum(sizes) < FEW_VOXELS:
        workers = 1
    bytes_each = max(sizes, default=0) * (MASK_BYTES + CHANNEL_BYTES * len(channels))
    measure = partial(measure_case, wanted=wanted)
    outcomes = parallel_map(measure, cases, workers=workers, bytes_each=bytes_each, name=attrgetter("name"))
    found, failures = dict[str, Measured](), dict(failed or {})
    for outcome in progress(outcomes, len(cases), "measuring"):
        if outcome.value is None:
            failures[outcome.item.name] = str(outcome.error)
        else:
            found[outcome.item.name] = outcome.value
    return _together(found, failures, channels, wanted)


def _together(
    found: Mapping[str, Measured], failed: Mapping[str, str], channels: tuple[str, ...], wanted: Wanted
) -> Measurements:
    if wanted.labels is None:
        labels = [str(value) for value in sorted({int(label) for case in found.values() for label in case.rows})]
    else:
        labels = list(foreground_of(wanted.labels))
    if found and not labels:
        raise DataError(
            "no mask holds a value other than 0: there is nothing to measure; labels={NAME: VALUE} gives empty rows"
        )
    rows: list[Row] = []
    for name, case in sorted(found.items()):
        for label in labels:
            nothing: list[Row] = [{"component": None, **features_of_nothing(case.dims)}]
            rows += [{"case": name, "label": label, **row} for row in case.rows.get(label, nothing)]
    columns = [
        column for dims in sorted({case.dims for case in found.values()}) for column in columns_of(dims, channels)
    ]
    unnamed = sorted({value for case in found.values() for value in case.unnamed})
    return Measurements(tuple(dict.fromkeys([*KEYS, *columns])), rows, dict(sorted(failed.items())), tuple(unnamed))


def measure_case(case: Case, wanted: Wanted) -> Measured:
    """Read one mask and its images, and measure every label.

    Raises:
        GeometryError: when mask and image lie on different grids.
        DataError: when a file cannot be read, is no mask, or holds intensities in a label that are not finite.
    """
    volume = read(case.mask)
    array = label_values(volume, case.mask.name, in_colour=in_colour(wanted.labels))
    images = dict(_images_of(case, volume, wanted.tolerance))
    named = None if wanted.labels is None else foreground_of(wanted.labels)
    boxes = boxes_of(array, case.mask.name, zero=any(0 in values for values in (named or {}).values()))
    labels = named or {str(value): (value,) for value in boxes}
    rows: dict[str, list[Row]] = {}
    for label, values in labels.items():
        region = region_of(array, values, boxes, volume.grid)
        if region is None:
            continue
        region = replace(region, bin_width=wanted.bin_width)
        try:
            rows[label] = list(_rows_of(region, images, wanted.components))
        except DataError as error:
            raise DataError(f"label {label}: {error}") from error
    return Measured(array.ndim, rows, _unnamed(boxes, labels, wanted.labels))


def _rows_of(region: Region, images: Mapping[str, Volume], components: bool) -> Iterable[Row]:
    """Yield the row of a label, and of each of its components where they are wanted."""
    for number, part in enumerate([region, *(region.parts() if components else ())]):
        channels = {channel: replace(part, image=image.array[0]) for channel, image in images.items()}
        yield {"component": number or None, **features_of(part, channels)}


def _unnamed(boxes: Iterable[int], labels: Members, declared: Declared | None) -> tuple[int, ...]:
    known = {value for values in labels.values() for value in values}
    for name in (BACKGROUND, IGNORE):
        known |= set(values_of(name, (declared or {}).get(name, 0)))
    return tuple(value for value in boxes if value not in known)


def _images_of(case: Case, mask: Volume, tolerance: float | None) -> Iterable[tuple[str, Volume]]:
    """Yield each channel as a volume of its own, on the mask's grid.

    Raises:
        GeometryError: when it lies elsewhere.
        DataError: when a file holds more or fewer channels than stand under it.
    """
    for path in dict.fromkeys(case.images.values()):
        image = read(path)
        names = [channel for channel, place in case.images.items() if place == path]
        what = f"{case.mask.name} and {path.name}"
        if case.mask.name == path.name:
            what = f"{case.mask.parent.name}/{case.mask.name} and {path.parent.name}/{path.name}"
        image.grid.check_same_as(mask.grid, what=what, tolerance=tolerance)
        if len(image.array) != len(names):
            channels = f"{len(image.array)} channels" if len(image.array) > 1 else "1 channel"
            raise DataError(f"{path.name} holds {channels} and channels names {len(names)}: pass channels=[A,B,...]")
        for index, name in enumerate(names):
            yield name, image.with_array(image.array[index : index + 1])
