"""What the voxels of references and masks mean: labels as declared, as stored classes, as network outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

BACKGROUND = "background"
IGNORE = "ignore"  # the label whose voxels count nowhere: nobody looked at them
IGNORED = 255  # how those are stored
MOST = 255  # classes are stored as uint8, and one number is taken by IGNORED
COLOUR_BASE = 256
Declared = Mapping[str, int | str | Sequence[int]]

UNSAFE = re.compile(r"[^\w.+-]+")  # of label names, in names of files
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Labels:
    """The labels of a data set.

    Each voxel of a reference holds a value. Stored references number these 0..K-1, the background first (`classes`).
    The network has one output per class, of which the largest wins; or, where labels are overlapping regions, one per
    region, each of which may win.

    Attributes:
        members: name to the values that belong to it, the background first; `ignore` is not among them.
        ignore: the value of voxels that count nowhere; None where all count.
        region_order: where labels are regions, the value that each region writes into masks, later over earlier;
            one per region, in the order of `members` without the background.
        in_colour: whether values are colours, red * 65536 + green * 256 + blue.
    """

    members: Mapping[str, tuple[int, ...]]
    ignore: int | None = None
    region_order: tuple[int, ...] = ()
    in_colour: bool = False

    @cached_property
    def foreground(self) -> tuple[str, ...]:
        """The names without the background."""
        return tuple(self.members)[1:]

    @cached_property
    def declared(self) -> dict[str, list[int]]:
        """The values of each label by name, `ignore` among them: what evaluation needs."""
        ignored = {} if self.ignore is None else {IGNORE: [self.ignore]}
        return {**{name: list(values) for name, values in self.members.items()}, **ignored}

    @property
    def is_regions(self) -> bool:
        """Whether a voxel may belong to several labels."""
        return bool(self.region_order)

    @cached_property
    def stored(self) -> dict[int, int]:
        """Each value in references and the class it is stored as; `ignore` is stored as 255."""
        if self.is_regions:
            values = dict.fromkeys(value for values in self.members.values() for value in values)
            numbers = {value: index for index, value in enumerate(values)}
        else:
            numbers = {value: index for index, values in enumerate(self.members.values()) for value in values}
        return numbers if self.ignore is None else {**numbers, self.ignore: IGNORED}

    @property
    def classes(self) -> int:
        """How many classes a stored reference may hold, the background included."""
        return len({number for value, number in self.stored.items() if value != self.ignore})

    @property
    def outputs(self) -> int:
        """How many logits a voxel has: one per class, or one per region."""
        return len(self.foreground) if self.is_regions else len(self.members)

    @cached_property
    def membership(self) -> NDArray[np.bool_]:
        """Which stored class belongs to which region, shape (regions, classes)."""
        numbers = self.stored
        table = np.zeros((len(self.foreground), self.classes), dtype=bool)
        for row, name in enumerate(self.foreground):
            table[row, [numbers[value] for value in self.members[name]]] = True
        return table

    @property
    def mask_values(self) -> tuple[int, ...]:
        """The values that masks hold: of each class, or the background's and what each region writes."""
        if self.is_regions:
            return (next(iter(self.members.values()))[0], *self.region_order)
        return tuple(values[0] for values in self.members.values())


def labels_from(declared: Declared, region_order: Sequence[int] | None = None) -> Labels:
    """Read labels as `data.labels` declares them.

    Args:
        declared: name to its value, to several values, or to a colour `#RRGGBB`; `ignore` names the value to leave out.
        region_order: for overlapping labels, the value that each writes into masks.

    Returns:
        the labels, the background first: the one of that name, else the one of value 0.

    Raises:
        UsageError: when there is no background, or values overlap without a `region_order` that fits.
    """
    members = {name: values_of(name, value) for name, value in declared.items() if name != IGNORE}
    ignored = values_of(IGNORE, declared[IGNORE]) if IGNORE in declared else ()
    if len(ignored) > 1:
        raise UsageError(f"data.labels: {IGNORE} has {len(ignored)} values; it takes one")
    colours = {is_colour(value) for value in declared.values()}
    if len(colours) > 1:
        raise UsageError("data.labels mixes colours (#RRGGBB) and numbers; declare all labels in one way")
    background = [name for name in members if name == BACKGROUND] or [n for n, v in members.items() if v == (0,)]
    if not background or len(members) < 2:
        raise UsageError("data.labels needs a background (that name, or the value 0) and at least one label beside it")
    # The background comes first wherever it was declared, since its class is 0 in all that is stored.
    ordered = {background[0]: members[background[0]], **members}
    labels = Labels(ordered, ignored[0] if ignored else None, tuple(region_order or ()), colours == {True})
    _check_values(labels)
    return labels


def values_of(name: str, value: int | str | Sequence[int]) -> tuple[int, ...]:
    """Return the values of one declared label, a colour as one number.

    Raises:
        UsageError: when it is neither a number, nor a list of them, nor a colour.
    """
    if isinstance(value, str):
        try:
            return (int(value[1:], 16),) if is_colour(value) else (int(value),)
        except ValueError as error:
            raise UsageError(
                f"data.labels.{name}: {value!r} is neither a number nor a colour like '#FF8000'"
            ) from error
    values = (value,) if isinstance(value, int) else tuple(value)
    if not values or len(set(values)) < len(values):
        raise UsageError(f"data.labels.{name}: {list(values)} is empty or names a value twice")
    return values


def is_colour(value: object) -> bool:
    """Tell whether a declared value is a colour, `#RRGGBB`; other text may be a number in quotes."""
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def in_colour(declared: Declared | None) -> bool:
    """Tell whether labels are declared as colours."""
    return any(map(is_colour, (declared or {}).values()))


def _check_values(labels: Labels) -> None:
    owners: dict[int, str] = {}
    for name, values in labels.members.items():
        for value in values:
            if value == labels.ignore:
                raise UsageError(f"data.labels gives the value {value} to both {name} and {IGNORE}")
            if value in owners and not labels.is_regions:
                raise UsageError(
                    f"data.labels: {owners[value]} and {name} both have the value {value}; where labels overlap, "
                    "data.region_order says which value each writes into a mask"
                )
            owners[value] = name
    if labels.classes > MOST:
        raise UsageError(f"data.labels has {labels.classes} values; prepared references hold at most {MOST}")
    if labels.is_regions:
        _check_order(labels)


def _check_order(labels: Labels) -> None:
    if len(labels.region_order) != len(labels.foreground):
        raise UsageError(
            f"data.region_order has {len(labels.region_order)} values, data.labels {len(labels.foreground)} regions"
        )
    for name, value in zip(labels.foreground, labels.region_order, strict=True):
        if value not in labels.members[name]:
            raise UsageError(f"data.region_order: {value} is no value of {name}, {list(labels.members[name])}")


def swapped_classes(labels: Labels, mirrored: Sequence[Sequence[str]]) -> list[int]:
    """Return, for each stored class, the class that takes its place under a left-right flip.

    Args:
        labels: of the data set.
        mirrored: pairs of names that swap, e.g. `[["left_kidney", "right_kidney"]]`; of two regions the first value
            swaps with the first, the second with the second.

    Raises:
        UsageError: when a pair is not two declared labels of equally many values, or a value swaps twice.
    """
    swapped = list(range(labels.classes))
    for first, second in _pairs(labels, mirrored):
        for one, other in zip(labels.members[first], labels.members[second], strict=True):
            a, b = labels.stored[one], labels.stored[other]
            if (swapped[a], swapped[b]) not in ((a, b), (b, a)):
                raise UsageError(f"data.mirrored: a label of {[first, second]} stands in another pair too")
            swapped[a], swapped[b] = b, a
    return swapped


def swapped_outputs(labels: Labels, mirrored: Sequence[Sequence[str]]) -> list[int]:
    """Return, for each network output, the one that takes its place under a left-right flip.

    Raises:
        UsageError: as `swapped_classes`.
    """
    if not labels.is_regions:
        return swapped_classes(labels, mirrored)
    swapped = list(range(labels.outputs))
    for pair in _pairs(labels, mirrored):
        first, second = (labels.foreground.index(name) for name in pair)
        swapped[first], swapped[second] = second, first
    return swapped


def _pairs(labels: Labels, mirrored: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    for pair in mirrored:
        for name in pair:
            if name not in labels.foreground:
                hint = did_you_mean(str(name), labels.foreground) or ";"
                raise UsageError(f"data.mirrored: {name} is not a label{hint} labels: {listed(labels.foreground)}")
        if len(pair) != 2 or pair[0] == pair[1]:
            raise UsageError(f"data.mirrored: {list(pair)} is not a pair of labels")
        if len(labels.members[pair[0]]) != len(labels.members[pair[1]]):
            raise UsageError(f"data.mirrored: the labels of {list(pair)} have not equally many values")
    return [(pair[0], pair[1]) for pair in mirrored]


def is_declared(labels: Any) -> bool:
    """Say whether a mapping out of a file has the form of `data.labels`; a stranger's may hold anything."""
    kinds = (int, str)
    return isinstance(labels, Mapping) and all(
        type(name) is str
        and (type(value) in kinds or (isinstance(value, list) and all(type(each) is int for each in value)))
        for name, value in labels.items()
    )
