"""The columns of metrics.csv, as it is written, drawn and logged; apart, so that a report need not load Lightning."""

from __future__ import annotations

from collections.abc import Iterable

STEP_COLUMNS = ("step", "seconds", "loss", "learning_rate", "waiting")


def dice_columns(labels: Iterable[str]) -> list[str]:
    """Return what a validation has: the mean Dice, then that of each foreground label."""
    return ["dice", *(f"dice_{label}" for label in labels)]
