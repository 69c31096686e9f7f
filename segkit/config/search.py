"""What `segkit tune` searches over, and how: the group `sweep`, and the dimensions of its space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from segkit.config.options import choice_key, duration_key, range_key, text_key
from segkit.config.typed import shown
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

MOST_COMBINATIONS = 1_000_000  # of a grid: they are listed and shuffled before the first is tried
OBJECTIVES = ("dice", "seconds")
SAMPLERS = ("tpe", "random", "grid", "cmaes")
PRUNERS = ("hyperband", "median", "none")
Scalar = None | bool | int | float | str
SPACE = "sweep.space"
_OF_INTERVALS = ("low", "high", "log", "step")


@dataclass(kw_only=True)
class SweepOptions:
    """A search: its space, how it is drawn from, and when it ends."""

    space: dict[str, Any]
    trials: int = range_key(1)
    budget: str | None = duration_key()
    sampler: str = choice_key(*SAMPLERS)
    startup: int = range_key(1)
    pruner: str = choice_key(*PRUNERS)
    warmup: int = range_key(0)
    reduction: int = range_key(2)
    objectives: list[str]
    retries: int = range_key(0)
    storage: str | None = text_key()
    study: str | None


@dataclass(frozen=True)
class Interval:
    """Every number within [low, high], or every step of it.

    Attributes:
        low: the smallest.
        high: the largest.
        log: whether the logarithm is drawn evenly.
        step: between two numbers; None for all numbers (all whole ones where `is_whole`).
        is_whole: whether only whole numbers count.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    is_whole: bool = False

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """The extreme values, which a config must take too."""
        return (self.low, self.high)

    @property
    def count(self) -> int | None:
        """How many values there are, None where there is no end of them."""
        if self.step is None and not self.is_whole:
            return None
        low, high, step = self._exactly
        return int((high - low) / step) + 1

    @property
    def grid(self) -> tuple[float, ...] | None:
        """Every value in order, None where there is no end of them."""
        if self.count is None:
            return None
        low, _, step = self._exactly
        return tuple(self._plain(low + index * step) for index in range(self.count))

    @property
    def last(self) -> float:
        """The largest value: where there are steps, `high` may lie between two of them."""
        low, _, step = self._exactly
        return self.high if self.count is None else self._plain(low + (self.count - 1) * step)

    def _plain(self, value: Decimal) -> float:
        return int(value) if self.is_whole else float(value)

    @property
    def _exactly(self) -> tuple[Decimal, Decimal, Decimal]:
        # Decimal, so that three steps of 0.3 are 0.9.
        low, high, step = (Decimal(str(number)) for number in (self.low, self.high, self.step or 1))
        return low, high, step


@dataclass(frozen=True)
class Choices:
    """One of several values; what is neither a number, true, false nor null is text as Hydra's grammar reads it."""

    values: tuple[Scalar, ...]

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Every value: each may be refused for a reason of its own."""
        return self.values

    @property
    def count(self) -> int | None:
        """How many values there are."""
        return len(self.values)

    @property
    def grid(self) -> tuple[Scalar, ...] | None:
        """Every value in order."""
        return self.values


Dimension = Interval | Choices
Space = dict[str, Dimension]


def space_from(values: Mapping[str, Any]) -> Space:
    """Read a space: key to `{low, high, log, step}`, to `{choices: [...]}`, or to a list of choices.

    Raises:
        UsageError: naming the first dimension that is none of these, or empty.
    """
    return {str(key): dimension_from(str(key), value) for key, value in values.items()}


def dimension_from(key: str, value: Any) -> Dimension:
    """Read one dimension.

    Raises:
        UsageError: when it is malformed.
    """
    where = f"{SPACE}.{key}"
    if isinstance(value, Mapping) and set(value) == {"choices"}:
        value = value["choices"]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _choices(key, value)
    if not isinstance(value, Mapping) or not {"low", "high"} <= set(value):
        raise UsageError(f"{where}: {value} is no dimension: write {{low: 1e-4, high: 1e-2, log: true}} or [a, b]")
    for name in value:
        if name not in _OF_INTERVALS:
            hint = did_you_mean(str(name), _OF_INTERVALS) or ";"
            raise UsageError(f"{where}.{name} is not a key{hint} an interval has {listed(_OF_INTERVALS)}")
    return _interval(where, value)


def _choices(key: str, values: Sequence[Any]) -> Choices:
    from hydra.core.override_parser.types import Transformer

    where = f"{SPACE}.{key}"
    chosen: list[Scalar] = []
    for value in values:
        is_scalar = value is None or isinstance(value, bool | int | float)
        chosen.append(value if is_scalar else str(Transformer.str(value)))
    # 1, 1.0 and True are one to Python, and a search could not tell them apart either.
    if len(set(chosen)) != len(chosen):
        raise UsageError(f"{where}: a value stands twice in {listed([str(value) for value in chosen])}")
    if len(chosen) < 2:
        raise UsageError(f"{where}: a choice needs two values or more; fix a single one by typing {key}=VALUE")
    return Choices(tuple(chosen))


def _interval(where: str, value: Mapping[str, Any]) -> Interval:
    low, high, step, log = value["low"], value["high"], value.get("step"), value.get("log", False)
    numbers = [number for number in (low, high, step) if number is not None]
    if not all(
        isinstance(each, int | float) and not isinstance(each, bool) and math.isfinite(each) for each in numbers
    ):
        raise UsageError(f"{where}: low, high and step are numbers, and {value} has others")
    if not isinstance(log, bool):
        raise UsageError(f"{where}.log: {log} is not true or false")
    if low >= high:
        raise UsageError(f"{where}: low {low:g} is not below high {high:g}")
    if log and low <= 0:
        raise UsageError(f"{where}: a logarithmic interval begins above zero, not at {low:g}")
    if step is not None and (log or step <= 0):
        raise UsageError(f"{where}.step: {step:g} " + ("and log exclude one another" if log else "is not above zero"))
    is_whole = all(isinstance(number, int) for number in numbers)
    return Interval(low, high, log, step, is_whole)


def word(key: str, value: Scalar) -> str:
    """Return the `key=value` word that sets one dimension."""
    return f"{key}={shown(value)}"


def check_search(sweep: SweepOptions, fold: str) -> None:
    """Check a search across its keys.

    Args:
        sweep: the group.
        fold: `training.fold`.

    Raises:
        UsageError: naming the keys that contradict each other, and what to write.
    """
    space = space_from(sweep.space)
    if not space:
        raise UsageError(
            "nothing to search over: pass sweep=NAME, or ranges such as 'optimizer.lr=tag(log,interval(1e-4,1e-2))' "
            "and network=unet,residual_unet"
        )
    if not fold.isdecimal():
        raise UsageError(
            f"a search needs one fold that validates, and training.fold={fold} is none: pass training.fold=0"
        )
    for name in sweep.objectives:
        if name not in OBJECTIVES:
            raise UsageError(
                f"sweep.objectives: {name} is not one of {listed(OBJECTIVES)}{did_you_mean(name, OBJECTIVES)}"
            )
    if sweep.objectives[:1] != ["dice"] or len(set(sweep.objectives)) != len(sweep.objectives):
        raise UsageError(f"sweep.objectives: {sweep.objectives} is neither [dice] nor [dice, seconds]")
    if len(sweep.objectives) > 1 and sweep.pruner != "none":
        raise UsageError(
            f"sweep.pruner={sweep.pruner} judges by Dice alone: pass sweep.pruner=none with two objectives"
        )
    _check_sampler(sweep, space)


def _check_sampler(sweep: SweepOptions, space: Space) -> None:
    if sweep.sampler == "grid":
        _check_grid(space)
    if sweep.sampler != "cmaes":
        return
    if len(sweep.objectives) > 1:
        raise UsageError("sweep.sampler=cmaes has one objective: pass sweep.sampler=tpe, or sweep.objectives=[dice]")
    intervals = [key for key, dimension in space.items() if isinstance(dimension, Interval)]
    if len(intervals) < 2:
        raise UsageError(f"sweep.sampler=cmaes needs two intervals, and the space has {len(intervals)}: pass tpe")


def _check_grid(space: Space) -> None:
    counts = {key: dimension.count for key, dimension in space.items()}
    endless = [key for key, count in counts.items() if count is None]
    if endless:
        raise UsageError(f"sweep.sampler=grid: {endless[0]} has no end of values: give it a step, or list choices")
    combinations = math.prod(count or 0 for count in counts.values())
    if combinations > MOST_COMBINATIONS:
        raise UsageError(
            f"sweep.sampler=grid: the space has {combinations} combinations, more than {MOST_COMBINATIONS}: give wider "
            "steps, or pass sweep.sampler=tpe"
        )
