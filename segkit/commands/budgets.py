"""What a plan has to keep to when `training.budget` says how long a training may take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from segkit.config.commands import InspectConfig, PrepareConfig, TrainConfig
from segkit.foundation.durations import parse_duration

if TYPE_CHECKING:
    from segkit.preparation.budget import Budget


def budget_of(config: TrainConfig | PrepareConfig | InspectConfig) -> Budget | None:
    """Return the budget of a config, and what tells a step's seconds; None where it counts steps."""
    training = config.training
    if training.budget is None:
        return None
    # PyTorch, which planning needs anyway, takes two seconds.
    from segkit.networks.precision import choose_device
    from segkit.preparation.budget import MOST_MEMBERS, Budget
    from segkit.training.step_cost import EstimatedSteps, MeasuredSteps

    device = choose_device(config.device)
    cost: MeasuredSteps | EstimatedSteps
    if config.plan.measure:
        cost, source = (
            MeasuredSteps(device, training.precision, Path(config.paths.cache)),
            "timed here without augmentation",
        )
    else:
        cost, source = EstimatedSteps(device, training.precision), "estimated from its operations"
    return Budget(
        parse_duration(training.budget),
        lambda step: training.accumulate * cost(step),
        source,
        1 if training.weights else MOST_MEMBERS,  # weights from elsewhere are those of one network
        depends_on_length(config),
    )


def depends_on_length(config: TrainConfig | PrepareConfig | InspectConfig) -> bool:
    """Say whether augmentation is another in long trainings; a preparation knows of none."""
    if isinstance(config, PrepareConfig):
        return False
    return config.augmentation.mirror is None or config.augmentation.long is not None
