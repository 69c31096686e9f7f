"""How far a training is, read from its metrics.csv while it writes it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Validation:
    """One validation of a training: after how many steps and seconds, and its mean Dice over labels."""

    step: int
    seconds: float
    dice: float


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes:
        step: optimiser steps done.
        seconds: of training so far, over all attempts.
        loss: of the last step; None before the first.
        validations: all so far, the first one first.
    """

    step: int = 0
    seconds: float = 0.0
    loss: float | None = None
    validations: tuple[Validation, ...] = ()

    @property
    def dice(self) -> float | None:
        """Mean Dice of the last validation, None before the first."""
        return self.validations[-1].dice if self.validations else None

    @property
    def best_dice(self) -> float | None:
        """The highest mean Dice of any validation, None before the first."""
        return max((validation.dice for validation in self.validations), default=None)


class MetricsReader:
    """Follows a metrics.csv: each look reads only what was appended since the last one.

    Args:
        path: of the file; it may not exist yet, and may be cut back when its training is resumed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inode, self.offset = -1, 0
        self.columns: list[str] = []
        self.progress = Progress()

    def read(self) -> Progress:
        """Return how far the training is now; rows that are not whole yet wait for the next look."""
        try:
            with self.path.open("rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if inode != self.inode:  # begun anew, or cut back by a resumed training: replaced in one rename
                    self._start_over()
                    self.inode = inode
                file.seek(self.offset)
                text = file.read()
        except OSError:
            return self.progress
        whole, newline, _ = text.rpartition(b"\n")
        self.offset += len(whole) + len(newline)
        for line in whole.decode("utf-8", "replace").splitlines():
            self._take(line.split(","))
        return self.progress

    def _start_over(self) -> None:
        self.inode, self.offset, self.columns, self.progress = -1, 0, [], Progress()

    def _take(self, cells: list[str]) -> None:
        if not self.columns:
            self.columns = cells
            return
        row = _numbers(self.columns, cells)
        step, seconds, loss, dice = (row.get(name) for name in ("step", "seconds", "loss", "dice"))
        if step is None or seconds is None:
            return
        found = replace(self.progress, step=int(step), seconds=seconds)
        if loss is not None:
            found = replace(found, loss=loss)
        if dice is not None:
            found = replace(found, validations=(*found.validations, Validation(int(step), seconds, dice)))
        self.progress = found


def rows_of(path: Path) -> list[dict[str, float]]:
    """Return the rows of a metrics.csv, number by column; nothing where there is none, or of a line half written."""
    if not path.is_file():
        return []
    *lines, _ = path.read_text(encoding="utf-8", errors="replace").split("\n")
    columns, *rows = [line.split(",") for line in lines] or [[]]
    return [_numbers(columns, cells) for cells in rows]


def _numbers(columns: Sequence[str], cells: Sequence[str]) -> dict[str, float]:
    found = {name: _number(cell) for name, cell in zip(columns, cells, strict=False)}
    return {name: value for name, value in found.items() if value is not None}


def _number(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
