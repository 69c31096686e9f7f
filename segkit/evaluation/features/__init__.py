"""The features: each module here declares one `FAMILY`, found by scanning this package and an entry-point group."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points

from segkit.evaluation.regions import Region
from segkit.foundation.errors import UsageError

ENTRY_POINTS = "segkit.features"
Cell = int | float | str | None  # None where a figure is undefined


@dataclass(frozen=True)
class Family:
    """Figures of one region that are found together.

    Attributes:
        name: of the family, for errors.
        columns: 2 or 3 (the axes of a mask) -> the columns, each with its unit at the end where it has one; a family
            that lacks a key has nothing to say of such masks.
        compute: a region -> column -> value; NaN where the figure is undefined.
        needs_image: whether it looks at intensities, and is left out where there are none.
        empty: the columns of a label without voxels that have a value all the same.
    """

    name: str
    columns: Mapping[int, tuple[str, ...]]
    compute: Callable[[Region], Mapping[str, float]]
    needs_image: bool = False
    empty: Mapping[str, float] = field(default_factory=dict)


def columns_of(dims: int, channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns for masks of 2 or 3 axes, where these channels of an image lie beside them.

    Raises:
        UsageError: as `families`.
    """
    names = [name for family in families() if not family.needs_image for name in family.columns.get(dims, ())]
    for channel in channels:
        names += [
            _in_channel(name, channel, channels)
            for family in families()
            if family.needs_image
            for name in family.columns.get(dims, ())
        ]
    return tuple(names)


def features_of(region: Region, channels: Mapping[str, Region]) -> dict[str, Cell]:
    """Return every figure of a region: column -> value, None where it is undefined.

    Args:
        region: voxels of a label or component.
        channels: the same region with the intensities of each channel; empty where there is no image.
    """
    found: dict[str, Cell] = {}
    for family in families():
        if region.mask.ndim not in family.columns:
            continue
        for channel, seen in channels.items() if family.needs_image else (("", region),):
            values = family.compute(seen)
            for name in family.columns[region.mask.ndim]:
                column = _in_channel(name, channel, tuple(channels)) if family.needs_image else name
                found[column] = None if math.isnan(values[name]) else values[name]
    return found


def features_of_nothing(dims: int) -> dict[str, Cell]:
    """Return the figures of a label without voxels that are defined: those that are zero."""
    return {
        name: family.empty[name]
        for family in families()
        for name in family.columns.get(dims, ())
        if name in family.empty
    }


def _in_channel(name: str, channel: str, channels: tuple[str, ...]) -> str:
    """Return the column of an intensity feature: the plain name where there is one channel."""
    return f"{channel}_{name}" if len(channels) > 1 else name


@cache
def families() -> tuple[Family, ...]:
    """Return every family: the modules of this package by name, then those of third parties.

    Raises:
        UsageError: when a third party's entry point is no `Family`, or two families have a column of one name.
    """
    found = [importlib.import_module(f"{__name__}.{module.name}").FAMILY for module in pkgutil.iter_modules(__path__)]
    for entry in entry_points(group=ENTRY_POINTS):
        family = entry.load()
        if not isinstance(family, Family):
            raise UsageError(f"entry point {entry.name} of {ENTRY_POINTS} ({entry.value}) is no segkit Family")
        found.append(family)
    for dims in (2, 3):
        owners: dict[str, str] = {}
        for family in found:
            for column in family.columns.get(dims, ()):
                if owners.setdefault(column, family.name) != family.name:
                    raise UsageError(f"features {owners[column]} and {family.name} both have a column {column}")
    return tuple(found)
