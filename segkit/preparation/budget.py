"""A plan that a budget has time for: the width, patch and batch of which it holds enough steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from segkit.config.options import PlanOptions
from segkit.config.plan import Plan
from segkit.foundation.durations import format_duration
from segkit.foundation.memory_size import memory_bytes
from segkit.networks.building import network_arguments

StepCost = Callable[[Mapping[str, Any], Sequence[int], int], float]
"""A network's arguments, the patch as it sees it and the batch to the seconds of a training step."""
LEVELS = 6
WIDEST = 10  # times the finest level's channels, at the coarse ones: nnU-Net's 32 to 320
STEPS = 3000  # that ten minutes should hold; a budget four times as long holds twice as many, each four times larger
TEN_MINUTES = 600.0


class Make(Protocol):
    """Plans for options and a network's yaml."""

    def __call__(self, options: PlanOptions, *, network: Mapping[str, Any]) -> Plan:
        """Return the plan."""


class Size(NamedTuple):
    """How large a step is; None: as without a budget.

    Attributes:
        width: channels of the finest level.
        voxels: of a patch, at most.
        batch: patches a step.
    """

    width: int | None
    voxels: int | None
    batch: int | None


# Each costs about 1.5 to 3 times the one before it. On a CPU fewer than 16 channels save little: oneDNN computes in
# blocks of 16; on a GPU narrow networks and small patches leave it idle.
CPU_SIZES: Mapping[int, tuple[Size, ...]] = {
    2: (
        *(Size(16, edge**2, 4) for edge in (96, 128, 192)),
        *(Size(16, edge**2, 8) for edge in (192, 256)),
        *(Size(32, edge**2, 8) for edge in (256, 384, 512)),
    ),
    3: (
        *(Size(16, voxels, 2) for voxels in (24**3, 32**3, 40 * 40 * 32, 48**3)),
        *(Size(32, voxels, 2) for voxels in (40 * 40 * 32, 48**3, 64**3, 80**3, 96**3)),
    ),
}
GPU_SIZES: Mapping[int, tuple[Size, ...]] = {
    2: (*(Size(None, edge**2, 8) for edge in (128, 192, 256)), Size(None, None, 8), Size(None, None, None)),
    3: (*(Size(None, edge**3, 2) for edge in (48, 64, 96)), Size(None, None, 2), Size(None, None, None)),
}


@dataclass(frozen=True)
class Budget:
    """How long a training may take.

    Attributes:
        seconds: by the clock.
        step_cost: tells what a step takes.
        source: how it knows, as in "a step takes 0.2 s, measured on this device".
    """

    seconds: float
    step_cost: StepCost
    source: str


@dataclass(frozen=True)
class Priced:
    """A plan, and the seconds of a step by it."""

    plan: Plan
    seconds: float


def plan_within(budget: Budget, make: Make, options: PlanOptions, network: Mapping[str, Any], outputs: int) -> Plan:
    """Return the largest plan of whose steps the budget holds enough, or the smallest one.

    Args:
        budget: how long there is.
        make: plans for options and a network.
        options: what is configured stays as it is.
        network: its yaml; where its features are null, the plan decides them.
        outputs: logits a voxel.
    """
    plans = candidates(make, options, network)
    if len(plans) == 1:  # all is configured
        return plans[0]

    def priced(plan: Plan) -> Priced:
        arguments = network_arguments(network, plan, out_channels=outputs)
        return Priced(plan, budget.step_cost(arguments, plan.network_patch, plan.batch))

    wanted = steps_wanted(budget.seconds)
    chosen, larger = priced(plans[0]), None
    for plan in plans[1:]:
        larger = priced(plan)
        if budget.seconds < wanted * larger.seconds:
            break
        chosen, larger = larger, None
    return explained(chosen, larger, budget, wanted)


def steps_wanted(seconds: float) -> int:
    """Return how many steps a budget should hold: in proportion to its square root, so that steps grow alike."""
    return round(STEPS * math.sqrt(seconds / TEN_MINUTES))


def candidates(make: Make, options: PlanOptions, network: Mapping[str, Any]) -> list[Plan]:
    """Return the plans from the cheapest on, each once; what is configured is the same in all."""
    sizes = CPU_SIZES if memory_bytes(options.memory) is None else GPU_SIZES
    plans: dict[tuple[Any, ...], Plan] = {}
    is_open = network.get("features", ()) is None
    for size in sizes[options.dims]:
        features = None if size.width is None or not is_open else features_of(size.width)
        limit = min(filter(None, (options.max_voxels, size.voxels)), default=None)
        limited = replace(options, max_voxels=limit, batch=options.batch or size.batch)
        plan = replace(
            make(limited, network={**network, "features": features} if is_open else network), features=features
        )
        plans[plan.features, plan.patch, plan.batch] = plan
    return sorted(plans.values(), key=roughly)


def roughly(plan: Plan) -> float:
    """Return a number by which plans for one network can be put in the order of what their steps cost."""
    width = plan.features[0] if plan.features else 1
    return float(plan.batch * math.prod(plan.patch) * width**1.5)


def features_of(width: int) -> tuple[int, ...]:
    """Return the channels of each level, doubled from level to level up to ten times the finest's."""
    return tuple(min(width * 2**level, width * WIDEST) for level in range(LEVELS))


def explained(chosen: Priced, larger: Priced | None, budget: Budget, wanted: int) -> Plan:
    """Return the plan with the reason why it is no larger."""
    had, steps = format_duration(budget.seconds), budget.seconds / chosen.seconds
    text = f"{had} hold {steps:.0f} steps of {chosen.seconds:.3g} s, {budget.source}, of {wanted} that are wanted"
    if larger is not None:
        text += f"; with {described(larger.plan)} they would hold {budget.seconds / larger.seconds:.0f}"
    if steps < wanted:
        text += "; nothing smaller is worth training"
    return replace(chosen.plan, reasons={**chosen.plan.reasons, "budget": text})


def described(plan: Plan) -> str:
    """Return the size of a step in a few words."""
    size = f"patches of {' x '.join(map(str, plan.network_patch))}, batch {plan.batch}"
    return size if plan.features is None else f"{size} and {plan.features[0]} first features"
