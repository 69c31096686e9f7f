"""The metrics: each module here declares one `METRIC`, found by scanning this package and an entry-point group."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from numpy.typing import NDArray

from segkit.evaluation.confusion import Counts
from segkit.foundation.errors import UsageError
from segkit.volumes.grid import Grid

ENTRY_POINTS = "segkit.metrics"


@dataclass(frozen=True, eq=False)
class LabelPair:
    """One label of one case, as a metric sees it.

    Attributes:
        counts: voxels in both, in one and in none.
        mask: all predicted values, shape (X, Y[, Z]).
        reference: all values of the expert, same shape.
        values: of the label in both arrays; a region has several.
        grid: their common grid, in mm.
    """

    counts: Counts
    mask: NDArray[Any]
    reference: NDArray[Any]
    values: tuple[int, ...]
    grid: Grid

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in ml; a 2D pixel is as thick as its affine's third column says (1 mm when unknown)."""
        return self.grid.voxel_mm3 / 1000


@dataclass(frozen=True)
class Metric:
    """One figure per case and label.

    Attributes:
        name: as `cases.csv` and `summary.json` say it.
        unit: of the value; empty for a ratio.
        definition: one line for `summary.json` and the reader.
        higher_is_better: False where lower is; None where zero is best and the sign says which way it is off.
        compute: the value of a pair of which at least one mask holds the label.
        one_empty: the value when exactly one of the two masks holds the label; None where `compute` tells.
    """

    name: str
    unit: str
    definition: str
    higher_is_better: bool | None
    compute: Callable[[LabelPair], float]
    one_empty: float | None

    @property
    def rule(self) -> str:
        """The rule for empty masks in words."""
        one = "computed" if self.one_empty is None else f"{self.one_empty:g}"
        return f"both empty: left out and counted; one empty: {one}"

    def score(self, pair: LabelPair) -> float:
        """Return the value in `unit`; NaN where it is left out because neither mask holds the label."""
        in_mask, in_reference = pair.counts.in_mask, pair.counts.in_reference
        if not in_mask and not in_reference:
            return math.nan
        if self.one_empty is not None and not (in_mask and in_reference):
            return self.one_empty
        return float(self.compute(pair))


@cache
def metrics() -> tuple[Metric, ...]:
    """Return every metric: the modules of this package by name, then those of third parties.

    Raises:
        UsageError: when a third party's entry point is no `Metric`, or two metrics have one name.
    """
    found: dict[str, Metric] = {}
    for module in pkgutil.iter_modules(__path__):
        metric = importlib.import_module(f"{__name__}.{module.name}").METRIC
        found[metric.name] = metric
    for entry in entry_points(group=ENTRY_POINTS):
        metric = entry.load()
        if not isinstance(metric, Metric):
            raise UsageError(f"entry point {entry.name} of {ENTRY_POINTS} ({entry.value}) is no segkit Metric")
        if metric.name in found:
            raise UsageError(f"entry point {entry.name} ({entry.value}): there is a metric {metric.name} already")
        found[metric.name] = metric
    return tuple(found.values())
