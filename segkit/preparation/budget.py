"""A plan that a budget has time for: the width, patch and batch of which it holds enough steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from segkit.config.options import PlanOptions
from segkit.config.plan import Plan, leaves_features
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import UsageError
from segkit.foundation.memory_size import memory_bytes
from segkit.networks.building import network_arguments
from segkit.networks.unet import FEATURES

STEPS = 3000  # that ten minutes should hold; four times the budget holds twice as many, each twice as long
TEN_MINUTES = 600.0
# What is left when no size is larger goes into a committee: on the hippocampus four networks with a quarter of ten
# minutes' steps each beat one with all of them, which learns nothing more (scripts/benchmarks/RESULTS.md).
MEMBER_STEPS = 1400  # that ten minutes should hold for each; four times the budget as above
LEAST_STEPS = 1000  # of a member, however short the budget
MOST_MEMBERS = 5  # a scan takes as many times as long to segment
# Flipped anatomy has to be learnt beside the real one. On the hippocampus 1500 steps with flips lose 0.03 Dice even
# where prediction averages over them, 900 wider ones 0.006, 6000 nothing; membranes lose 0.003 after 1500.
# Light augmentation, in turn, is learnt by heart in 5000 steps and more.
LONG_STEPS = 5000  # of each member, from which on patches are flipped and `augmentation.long` holds


@dataclass(frozen=True)
class Step:
    """A training step whose seconds are asked for.

    Attributes:
        network: its arguments.
        channels: of an image.
        outputs: logits a voxel.
        patch: voxels per network axis.
        batch: patches.
    """

    network: dict[str, Any]
    channels: int
    outputs: int
    patch: tuple[int, ...]
    batch: int


StepCost = Callable[[Step], float]  # seconds; infinite where memory is too small


class Make(Protocol):
    """Plans for options and a network's yaml."""

    def __call__(self, options: PlanOptions, *, network: Mapping[str, Any]) -> Plan:
        """Return the plan."""


class StepSize(NamedTuple):
    """How large a step is; None: as without a budget.

    Attributes:
        width: channels of the finest level.
        voxels: of a patch, at most.
        batch: patches a step.
    """

    width: int | None
    voxels: int | None
    batch: int | None


# Each costs about 1.5 to 3 times the one before it: small patches come first, then width, then larger patches, since in
# three minutes on the hippocampus many small steps beat few large ones (scripts/benchmarks/RESULTS.md). On a CPU fewer
# than 16 channels save little, as oneDNN computes in blocks of 16; on a GPU small patches and narrow networks leave it
# idle.
CPU_SIZES: Mapping[int, tuple[StepSize, ...]] = {
    2: (
        *(StepSize(16, edge**2, 4) for edge in (96, 128, 192)),
        *(StepSize(16, edge**2, 8) for edge in (192, 256)),
        *(StepSize(32, edge**2, 8) for edge in (256, 384, 512)),
    ),
    3: (
        *(StepSize(16, voxels, 2) for voxels in (24**3, 32 * 32 * 24)),
        *(StepSize(32, voxels, 2) for voxels in (32 * 32 * 24, 32**3, 40 * 40 * 32, 48**3, 64**3, 80**3, 96**3)),
    ),
}
GPU_SIZES: Mapping[int, tuple[StepSize, ...]] = {
    2: (*(StepSize(None, edge**2, 8) for edge in (128, 192, 256)), StepSize(None, None, 8), StepSize(None, None, None)),
    3: (*(StepSize(None, edge**3, 2) for edge in (48, 64, 96)), StepSize(None, None, 2), StepSize(None, None, None)),
}


@dataclass(frozen=True)
class Budget:
    """How long a training may take.

    Attributes:
        seconds: by the clock.
        step_cost: tells what a step takes.
        source: how it knows, in words.
        members: networks that may learn side by side.
        tells_length: whether the plan is to say if the training is a long one.
    """

    seconds: float
    step_cost: StepCost
    source: str
    members: int = MOST_MEMBERS
    tells_length: bool = False


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
    plans, most = candidates(make, options, network), most_members(budget, options)
    if len(plans) == 1 and most == 1 and not budget.tells_length:  # all is configured
        return plans[0]

    def priced(plan: Plan) -> Priced:
        arguments = network_arguments(network, plan, out_channels=outputs)
        step = Step(arguments, plan.network_width, outputs, plan.network_patch, plan.batch)
        return Priced(plan, (options.members or 1) * budget.step_cost(step))

    wanted = steps_wanted(budget.seconds)
    chosen, larger = priced(plans[0]), None
    for plan in plans[1:]:
        larger = priced(plan)
        if budget.seconds < wanted * larger.seconds:
            break
        chosen, larger = larger, None
    if len(plans) > 1:
        chosen = explained(chosen, larger, budget, wanted)
    plan = chosen.plan if larger else with_members(chosen, budget, most)
    return with_length(plan, int(budget.seconds / chosen.seconds / plan.members)) if budget.tells_length else plan


def most_members(budget: Budget, options: PlanOptions) -> int:
    """Return how many networks may be planned: one where their number is configured, or a batch fills a GPU."""
    return 1 if options.members or memory_bytes(options.memory) is not None else budget.members


def with_members(chosen: Priced, budget: Budget, most: int) -> Plan:
    """Return the largest plan for as many networks, up to `most`, as the budget has time for."""
    each = max(LEAST_STEPS, MEMBER_STEPS * math.sqrt(budget.seconds / TEN_MINUTES))
    members = max(1, min(most, int(budget.seconds / chosen.seconds / each)))
    if members == 1:
        return chosen.plan
    steps = budget.seconds / chosen.seconds / members
    had = format_duration(budget.seconds)
    return enlarged(chosen.plan, members, f"{had} hold {steps:.0f} steps of each, and fewer than {each:.0f} of more")


def enlarged(plan: Plan, members: int, why: str) -> Plan:
    """Return a plan for several networks, each with the batch that it has for one."""
    return replace(plan, members=members, batch=members * plan.batch, reasons={**plan.reasons, "members": why})


def with_length(plan: Plan, steps: int) -> Plan:
    """Return a plan that says whether so many steps of each network are a long training."""
    why = f"{steps} steps, of {LONG_STEPS} from which on flips and augmentation.long help"
    return replace(plan, long=steps >= LONG_STEPS, reasons={**plan.reasons, "long": why})


def steps_wanted(seconds: float) -> int:
    """Return how many steps a budget should hold: in proportion to its square root, so that steps grow alike."""
    return max(1, round(STEPS * math.sqrt(seconds / TEN_MINUTES)))


def candidates(make: Make, options: PlanOptions, network: Mapping[str, Any]) -> list[Plan]:
    """Return the plans from the cheapest on, each once; what is configured is the same in all, and so is the grid.

    Raises:
        UsageError: when the network takes no patch at all.
    """
    unlimited = make(options, network=network)
    on_gpu = memory_bytes(options.memory) is not None
    plans: dict[tuple[Any, ...], Plan] = {}
    for size in (GPU_SIZES if on_gpu else CPU_SIZES)[options.dims]:
        with suppress(UsageError):  # a network may take no patch as small as this
            plan = sized(size, make, options, network, unlimited, on_gpu=on_gpu)
            plans[plan.features, plan.patch, plan.batch] = plan
    return sorted(plans.values(), key=roughly) or [unlimited]


def sized(
    size: StepSize, make: Make, options: PlanOptions, network: Mapping[str, Any], unlimited: Plan, *, on_gpu: bool
) -> Plan:
    """Return the plan for a size of step, on the grid that was planned without one."""
    limit = min(filter(None, (options.max_voxels, size.voxels)), default=None)
    # A GPU's own batch sees at most a part of the data set; a smaller patch must not see more of it.
    batch = size.batch and (min(size.batch, unlimited.batch) if on_gpu else size.batch)
    limited = replace(options, max_voxels=limit, batch=options.batch or batch)
    if options.resolution == "low":
        limited = replace(limited, spacing=[step for step in unlimited.spacing if step is not None])
    features = features_of(size.width) if size.width and leaves_features(network) else unlimited.features
    plan = make(limited, network={**network, "features": list(features)} if features else network)
    why = {**plan.reasons, **{name: unlimited.reasons[name] for name in ("spacing", "resolution")}}
    if not options.batch:
        why["batch"] = "with the patch, for the budget"
    return replace(plan, features=features, reasons=why)


def roughly(plan: Plan) -> float:
    """Return a number by which plans for one network can be put in the order of what their steps cost."""
    width = plan.features[0] if plan.features else 1
    return float(plan.batch * math.prod(plan.patch) * width**1.5)


def features_of(width: int) -> tuple[int, ...]:
    """Return the channels of each level, in nnU-Net's proportions."""
    return tuple(width * channels // FEATURES[0] for channels in FEATURES)


def explained(chosen: Priced, larger: Priced | None, budget: Budget, wanted: int) -> Priced:
    """Return the plan with the reason why it is no larger."""
    had, steps = format_duration(budget.seconds), budget.seconds / chosen.seconds
    text = f"{had} hold {steps:.0f} steps of {chosen.seconds:.3g} s, {budget.source}, of {wanted} that are wanted"
    if larger is not None:
        text += f"; with {described(larger.plan)} they would hold {budget.seconds / larger.seconds:.0f}"
    if steps < wanted:
        text += "; there is no smaller size"
    return replace(chosen, plan=replace(chosen.plan, reasons={**chosen.plan.reasons, "budget": text}))


def described(plan: Plan) -> str:
    """Return the size of a step in a few words."""
    size = f"patches of {' x '.join(map(str, plan.network_patch))}, batch {plan.batch}"
    return size if plan.features is None else f"{size} and {plan.features[0]} first features"
