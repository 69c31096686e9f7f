"""The wanted volumes of an export, by filters or by what is usually meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeGuard

from segkit.config.options import SeriesOptions
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import some_of
from segkit.volumes.dicom.stacks import Stack

SHOWN = 5  # volumes named in a message


def is_captured(stack: Stack) -> bool:
    """Tell whether a volume is a screen's picture, such as a dose report."""
    return stack.is_picture and ("Secondary Capture" in stack.first.kind or "SECONDARY" in stack.first.image_type)


def is_filter(wanted: SeriesOptions | None) -> TypeGuard[SeriesOptions]:
    """Tell whether any filter is set."""
    return wanted is not None and any(vars(wanted).values())


def filter_text(wanted: SeriesOptions) -> str:
    """Return filters as they are typed: `series.modality=CT`."""
    return " ".join(f"series.{name}={value}" for name, value in vars(wanted).items() if value)


def refuse_filter(wanted: SeriesOptions, why: str) -> None:
    """Refuse filters where there are no series.

    Raises:
        UsageError: when one is set.
    """
    if is_filter(wanted):
        raise UsageError(f"{filter_text(wanted)}: this chooses among DICOM series, and {why}: leave it out")


def chosen(stacks: Sequence[Stack], wanted: SeriesOptions | None, where: Path) -> list[Stack]:
    """Return the volumes that are meant.

    Args:
        stacks: of an export.
        wanted: filters. Where none is set, localizers and screen captures are left out while anything else is there,
            and so are pictures beside volumes.
        where: the export, for the error.

    Raises:
        DataError: when nothing fits; the message says what there is.
    """
    if not is_filter(wanted):
        return default_choice(stacks)
    found = [stack for stack in stacks if fits(stack, wanted)]
    if not found:
        raise DataError(f"{where} holds no series that fits the filter; it holds {shown(stacks)}")
    return found


def default_choice(stacks: Sequence[Stack]) -> list[Stack]:
    """Leave out scout views, screen captures and pictures, each while something else is there."""
    left = list(stacks)
    for is_unlikely in (lambda stack: stack.first.is_localizer, is_captured, lambda stack: stack.is_picture):
        left = [stack for stack in left if not is_unlikely(stack)] or left
    return left


def fits(stack: Stack, wanted: SeriesOptions) -> bool:
    """Tell whether a volume passes every filter that is set."""
    one = stack.first
    names = (stack.name, stack.name.partition("_")[0], one.series)
    is_long = len(stack.planes) >= (wanted.min_slices or 0)
    return is_long and passes(wanted, one.modality, one.description, lambda name: name in names)


def passes(wanted: SeriesOptions, modality: str, description: str, is_called: Callable[[str], bool]) -> bool:
    """Tell whether what is said of a series passes the filters, but for the number of slices.

    Args:
        wanted: the filters.
        modality: of the series.
        description: SeriesDescription.
        is_called: tells whether a value of `series.uid` is one of the series' names.
    """
    return (
        _any(wanted.modality, lambda each: each.upper() == modality.upper())
        and _any(wanted.description, lambda pattern: fnmatchcase(description.lower(), pattern.lower()))
        and _any(wanted.uid, is_called)
    )


def _any(wanted: str | list[str] | None, is_met: Callable[[str], bool]) -> bool:
    """Tell whether one of the wanted values is met; True where none is set."""
    values = [wanted] if isinstance(wanted, str) else wanted
    return not values or any(map(is_met, values))


def shown(stacks: Iterable[Stack]) -> str:
    """Name some volumes: `3f0c21a9bd (CT, 60 slices of 512 x 512)`."""
    named = []
    for stack in stacks:
        columns, rows = stack.first.encoding.shape
        count = f"{len(stack.planes)} slice{'s' if len(stack.planes) > 1 else ''} of "
        size = f"{'' if stack.is_picture else count}{columns} x {rows}"
        named.append(f"{stack.name} ({stack.first.modality}, {size})")
    return some_of(named, SHOWN)
