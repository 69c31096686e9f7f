"""Labels as a data set declares them, and as classes 0..K-1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segkit.foundation.errors import UsageError

BACKGROUND = "background"
MOST = 256  # classes are stored as uint8


def in_class_order(labels: Mapping[str, int]) -> dict[str, int]:
    """Return the labels with the background first: the one of that name, else the one of value 0.

    Args:
        labels: name to the value in references and masks.

    Raises:
        UsageError: when there is no background, two labels share a value, or there are more than 256.
    """
    if len(labels) > MOST:
        raise UsageError(f"data.labels has {len(labels)} labels; prepared references hold at most {MOST}")
    if len(set(labels.values())) < len(labels):
        raise UsageError(f"data.labels gives one value to two labels: {dict(labels)}")
    background = [name for name, value in labels.items() if name == BACKGROUND] or [
        name for name, value in labels.items() if value == 0
    ]
    if not background or len(labels) < 2:
        raise UsageError("data.labels needs a background (that name, or the value 0) and at least one label beside it")
    return {background[0]: labels[background[0]], **labels}


def swapped_classes(labels: Mapping[str, int], mirrored: Sequence[Sequence[str]]) -> list[int]:
    """Return, for each class, the class that takes its place under a left-right flip.

    Args:
        labels: in class order.
        mirrored: pairs of names that swap, e.g. `[["left_kidney", "right_kidney"]]`.

    Raises:
        UsageError: when a pair is not two declared labels, or a label stands in two pairs.
    """
    names = list(labels)
    swapped = list(range(len(names)))
    for pair in mirrored:
        if len(pair) != 2 or len(set(pair) & set(names)) != 2:
            raise UsageError(f"data.mirrored: {list(pair)} is not a pair of declared labels ({', '.join(names)})")
        first, second = (names.index(name) for name in pair)
        if (swapped[first], swapped[second]) not in ((first, second), (second, first)):
            raise UsageError(f"data.mirrored: a label of {list(pair)} stands in another pair too")
        swapped[first], swapped[second] = second, first
    return swapped
