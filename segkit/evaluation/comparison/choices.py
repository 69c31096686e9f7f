"""What each choice of a sweep does, all others being equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Interval = Callable[[Array], tuple[float, float]]
Settings = tuple[tuple[str, str], ...]
UNSAID = "(default)"  # the value of a choice that a run did not name


@dataclass(frozen=True)
class ChoiceEffect:
    """One value of one choice beside its best value.

    Attributes:
        key: the choice, `loss`.
        value: one of its values.
        best: the value with the best mean score.
        mean: score over the cases and the methods that made this choice.
        difference: `value` - `best` in the metric's unit, over the cases, where all other choices are the same; NaN
            where no two methods differ in this choice alone.
        ci95: of the difference, over cases: it knows nothing of what another seed would do.
        settings: of the other choices in which both values were tried.
        worse: in how many of these `value` was behind.
    """

    key: str
    value: str
    best: str
    mean: float
    difference: float
    ci95: tuple[float, float]
    settings: int
    worse: int


def choice_effects(
    choices: Sequence[Mapping[str, str]], scores: Array, sign: float, interval: Interval
) -> list[ChoiceEffect]:
    """Return the effect of every choice in which methods differ, in the order in which keys first appear.

    Args:
        choices: what each method was asked, key -> value.
        scores: in the metric's unit, shape (cases, methods), finite.
        sign: 1 where higher is better, -1 where lower is.
        interval: gives the 95% interval of the mean of paired differences, shape (cases,).
    """
    varied = varied_keys(choices)
    return [
        effect
        for key in varied
        for effect in _effects_of(key, [told(one, varied) for one in choices], scores, sign, interval)
    ]


def varied_keys(choices: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the keys that have not one value in all methods."""
    keys = dict.fromkeys(key for one in choices for key in one)
    return [key for key in keys if len({one.get(key, UNSAID) for one in choices}) > 1]


def told(choices: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """Return the value of each key."""
    return {key: choices.get(key, UNSAID) for key in keys}


def _effects_of(
    key: str, choices: Sequence[Mapping[str, str]], scores: Array, sign: float, interval: Interval
) -> list[ChoiceEffect]:
    by_value: dict[str, dict[Settings, list[int]]] = {}
    for column, one in enumerate(choices):
        others = tuple((name, value) for name, value in one.items() if name != key)
        by_value.setdefault(one[key], {}).setdefault(others, []).append(column)
    means = {value: float(scores[:, _columns(found)].mean()) for value, found in by_value.items()}
    # Values are ranked where all were tried alike; a failed run must not make its value look good.
    shared = [others for others in next(iter(by_value.values())) if all(others in found for found in by_value.values())]
    fair = {
        value: float(scores[:, _columns({others: found[others] for others in shared} or found)].mean())
        for value, found in by_value.items()
    }
    best = max(fair, key=lambda value: sign * fair[value])
    return [
        _effect(key, value, best, means[value], by_value, scores, sign, interval)
        for value in sorted(by_value, key=lambda value: -sign * fair[value])
    ]


def _effect(
    key: str,
    value: str,
    best: str,
    mean: float,
    by_value: Mapping[str, Mapping[Settings, list[int]]],
    scores: Array,
    sign: float,
    interval: Interval,
) -> ChoiceEffect:
    both = [others for others in by_value[value] if others in by_value[best]]
    if not both:
        nan = float("nan")
        return ChoiceEffect(key, value, best, mean, nan, (nan, nan), 0, 0)
    differences = np.stack(
        [
            scores[:, by_value[value][others]].mean(axis=1) - scores[:, by_value[best][others]].mean(axis=1)
            for others in both
        ],
        axis=1,
    )
    worse = int((sign * differences.mean(axis=0) < 0).sum())
    by_case = differences.mean(axis=1)
    return ChoiceEffect(key, value, best, mean, float(by_case.mean()), interval(by_case), len(both), worse)


def _columns(found: Mapping[Settings, list[int]]) -> list[int]:
    return [column for columns in found.values() for column in columns]
