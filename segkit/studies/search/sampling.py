"""Where the next trial comes from, and which trials are not worth going on with: Optuna's parts, as configured."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

from segkit.config.options import TrainingOptions
from segkit.config.search import Choices, Dimension, Scalar, Space, SweepOptions
from segkit.foundation.durations import parse_duration

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

VALIDATIONS = 10  # of a training that does not say how often it validates


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """Return what Optuna draws from, by key."""
    return {key: _distribution(dimension) for key, dimension in space.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    # Optuna wants the upper end to be a step itself.
    low, high = dimension.low, dimension.last
    if dimension.is_whole:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(dimension.step or 1))
    return FloatDistribution(low, high, log=dimension.log, step=dimension.step)


def combinations(space: Space, seed: int) -> list[dict[str, Scalar]]:
    """Return every combination of a space of choices and steps, shuffled, so that the first few cover it thinly."""
    grids = [dimension.grid or () for dimension in space.values()]
    found = [dict(zip(space, values, strict=True)) for values in product(*grids)]
    random.Random(seed).shuffle(found)  # noqa: S311  (an order, no secret)
    return found


def make_sampler(options: SweepOptions, seed: int) -> BaseSampler:
    """Return the sampler that draws one trial.

    Args:
        options: of the search.
        seed: of this draw. Workers that shared one would draw the same trials, so each trial has its own.
    """
    from optuna.samplers import RandomSampler, TPESampler

    if options.sampler == "cmaes":
        from segkit.studies.search.cmaes import ReplayedCmaEs

        return ReplayedCmaEs(n_startup_trials=options.startup, warn_independent_sampling=False, seed=seed)
    if options.sampler == "tpe":
        # Settings act together, and what other workers try now should not be tried twice.
        return TPESampler(n_startup_trials=options.startup, multivariate=True, constant_liar=True, seed=seed)
    return RandomSampler(seed)  # a grid is enqueued whole, and nothing is left to draw


def make_pruner(options: SweepOptions, training: TrainingOptions) -> BasePruner:
    """Return the pruner: it counts validations, from 1 on."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    first = options.warmup + 1
    if options.pruner == "hyperband":
        most = max(expected_validations(training), first)
        return HyperbandPruner(min_resource=first, max_resource=most, reduction_factor=options.reduction)
    if options.pruner == "median":
        return MedianPruner(n_startup_trials=min(options.startup, 5), n_warmup_steps=first)
    return NopPruner()


def expected_validations(training: TrainingOptions) -> int:
    """Return how often a training will validate; where steps and minutes are mixed, as often as one by default."""
    interval, steps, budget = training.validate_every, training.steps, training.budget
    if interval is None:
        return min(VALIDATIONS, steps) if steps else VALIDATIONS
    if interval.isdigit() and steps:
        return max(1, -(-steps // int(interval)))
    if not interval.isdigit() and budget:
        return max(1, round(parse_duration(budget) / max(parse_duration(interval), 1e-3)))
    return VALIDATIONS


def shown(params: Mapping[str, Scalar]) -> str:
    """Return settings in a few words: `optimizer.lr=0.00312,network=unet`."""
    return ",".join(
        f"{key}={value:.3g}" if isinstance(value, float) else f"{key}={value}" for key, value in params.items()
    )
