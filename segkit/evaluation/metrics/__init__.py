"""The metrics, found by scanning this package and an entry-point group.

Each module declares `METRIC`, a `Metric`, or `METRICS`, a function that makes some out of the settings.
"""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, NamedTuple

from segkit.evaluation.label_pair import LabelPair
from segkit.evaluation.settings import Settings
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

__all__ = ["LabelPair", "Metric", "Worst", "chosen", "declared", "metrics"]

ENTRY_POINTS = "segkit.metrics"
ALL = "all"
OTHERS = "others"  # the group of third parties' metrics, of which there may be none
LEFT_OUT = "left out and counted"


class Worst(NamedTuple):
    """The value of a pair of which one mask is empty, where it depends on the pair: what it is, and how it is found."""

    words: str
    value: Callable[[LabelPair], float]


@dataclass(frozen=True)
class Metric:
    """One figure per case and label.

    Attributes:
        name: as `cases.csv` and `summary.json` say it.
        unit: of the value; empty for a ratio.
        definition: one line for `summary.json` and the reader.
        higher_is_better: False where lower is; None where zero is best and the sign says which way it is off.
        compute: the value of a pair that no rule for empty masks gives one.
        one_empty: the value when exactly one of the two masks holds the label; None where `compute` tells.
        group: which `metrics.compute` may name instead.
        best: the value of a perfect mask; None where there is none to give a label that neither mask holds.
        both_empty: the value when neither mask holds the label; NaN leaves it out, None lets `compute` tell.
        needs_probabilities: whether it is found only where the network's probabilities are there.
        needs_package: what is imported for it and need not be installed, and the extra that brings it.
        detail: what follows its name at the head of a column, such as `at 1 mm`.
    """

    name: str
    unit: str
    definition: str
    higher_is_better: bool | None
    compute: Callable[[LabelPair], float]
    one_empty: float | Worst | None
    group: str = OTHERS
    best: float | None = None
    both_empty: float | None = math.nan
    needs_probabilities: bool = False
    needs_package: tuple[str, str] | None = None
    detail: str = ""

    @property
    def heading(self) -> str:
        """The head of its column: `hd95 [mm]`, `nsd at 1 mm`."""
        return " ".join(filter(None, (self.name, self.detail, self.unit and f"[{self.unit}]")))

    @property
    def rule(self) -> str:
        """The rule for empty masks in words."""
        return f"both empty: {_in_words(self.both_empty)}; one empty: {_in_words(self.one_empty)}"

    def score(self, pair: LabelPair) -> float:
        """Return the value in `unit`; NaN where a rule leaves it out."""
        in_mask, in_reference = pair.counts.in_mask, pair.counts.in_reference
        if not in_mask and not in_reference and self.both_empty is not None:
            return self.both_empty
        if self.one_empty is not None and bool(in_mask) != bool(in_reference):
            return self.one_empty.value(pair) if isinstance(self.one_empty, Worst) else self.one_empty
        return float(self.compute(pair))

    def under(self, settings: Settings) -> Metric:
        """Return the metric with the settings' rules for empty masks."""
        changed = self
        if settings.both_empty == "best" and self.best is not None and self.both_empty is not None:
            changed = replace(changed, both_empty=self.best)
        if settings.one_empty == "left_out" and self.one_empty is not None:
            changed = replace(changed, one_empty=math.nan)
        return changed


def _in_words(value: float | Worst | None) -> str:
    if value is None:
        return "computed"
    if isinstance(value, Worst):
        return value.words
    return LEFT_OUT if math.isnan(value) else f"{value:g}"


def chosen(settings: Settings, *, with_probabilities: bool = False) -> tuple[Metric, ...]:
    """Return the metrics that the settings ask for, in the order in which they are asked for.

    Args:
        settings: which, and by which rules for empty masks.
        with_probabilities: whether probabilities are there, without which those that need them are left out of a group.

    Raises:
        UsageError: when there is no metric or group of a name, or one that is named needs probabilities, or a package
            that is not installed.
    """
    known = declared(settings)
    groups = {OTHERS, *(metric.group for metric in known.values())}
    found: dict[str, Metric] = {}
    for name in settings.compute:
        if name not in known and name not in groups and name != ALL:
            offered = [ALL, *sorted(groups), *known]
            near = did_you_mean(name, offered) or ";"
            raise UsageError(f"metrics.compute: there is no metric or group {name}{near} there are {listed(offered)}")
        wanted = [metric for metric in known.values() if name in (ALL, metric.group, metric.name)]
        usable = [metric for metric in wanted if with_probabilities or not metric.needs_probabilities]
        if wanted and not usable:
            raise UsageError(f"metrics.compute: {name} needs probabilities: pass probabilities=DIR too")
        for metric in usable:
            _check_installed(metric)
        found |= {metric.name: metric.under(settings) for metric in usable}
    if not found:
        raise UsageError("metrics.compute is empty: name a metric or a group, such as overlap")
    return tuple(found.values())


def _check_installed(metric: Metric) -> None:
    if metric.needs_package and find_spec(metric.needs_package[0]) is None:
        package, extra = metric.needs_package
        raise UsageError(f"metrics.compute: {metric.name} needs {package}: pip install 'segkit[{extra}]'")


@cache
def metrics() -> tuple[Metric, ...]:
    """Return the metrics that are computed where nothing else is asked for, third parties' among them.

    Raises:
        UsageError: when a third party's entry point is no `Metric`, or two metrics have one name.
    """
    return chosen(Settings())


def declared(settings: Settings) -> dict[str, Metric]:
    """Return every metric by name, as the settings define them: this package's by module name, then third parties'.

    Raises:
        UsageError: as `metrics`.
    """
    found: dict[str, Metric] = {}
    for module in _modules():  # sorted by name, so that tables have one order everywhere
        several = module.METRICS(settings) if hasattr(module, "METRICS") else (module.METRIC,)
        found |= {metric.name: metric for metric in several}
    for entry in entry_points(group=ENTRY_POINTS):
        metric = entry.load()
        if not isinstance(metric, Metric):
            raise UsageError(f"entry point {entry.name} of {ENTRY_POINTS} ({entry.value}) is no segkit Metric")
        if metric.name in found:
            raise UsageError(f"entry point {entry.name} ({entry.value}): there is a metric {metric.name} already")
        found[metric.name] = metric
    return found


def _modules() -> list[Any]:
    return [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
