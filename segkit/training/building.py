"""Optimiser and augmentation from their yaml, and what the config of a stranger's run may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger
from pytorch_lightning.profilers import Profiler
from torch import nn

from segkit.config.commands import TrainConfig
from segkit.config.options import PatchChanges
from segkit.config.plan import Plan
from segkit.datasets import Layout
from segkit.foundation.building import arguments_of, build
from segkit.foundation.strangers import resolve_target
from segkit.inference.mirroring import flippable_axes, left_right_axis
from segkit.networks.building import check_network
from segkit.preparation.intensity_transforms import BEFORE, check_transforms
from segkit.training.augmentation import Augmentation, BatchTransform
from segkit.training.augmentation.earlier_mask import EarlierMaskErrors
from segkit.training.augmentation.kornia_steps import kornia_roles
from segkit.training.lightning_parts import PLUGINS
from segkit.training.schedules import Schedule

FLIPPED = 0.5  # probability of a flip along each axis, where the length of the training decides


def build_optimizer(options: Mapping[str, Any]) -> Callable[[Any], torch.optim.Optimizer]:
    """Return what makes the optimiser of `options` (`_target_` and its arguments) from parameters."""
    return partial(build, options)


def build_augmentation(options: PatchChanges, plan: Plan, swapped: Sequence[int], seed: int) -> Augmentation:
    """Return the augmentation of a data set.

    Args:
        options: flips and transforms, ours and MONAI's.
        plan: tells which axes the network sees and which of them is left-right.
        swapped: for each class the one that takes its place under a left-right flip.
        seed: of every draw.
    """
    # The network's axes, which a 2D patch has one fewer of than the plan.
    seen = [axis for axis in range(len(plan.patch)) if axis != plan.slice_axis]
    left_right = left_right_axis(plan)
    earlier = (EarlierMaskErrors(plan.previous),) if plan.previous else ()
    return Augmentation(
        # An earlier mask errs last: its errors are of whole voxels, and no warp should soften them.
        steps=(*(build(transform) for transform in options.transforms), *earlier),
        mirror=FLIPPED if options.mirror is None else options.mirror,
        flip_axes=tuple(seen.index(axis) for axis in training_flips(options, plan, swapped)),
        left_right=seen.index(left_right) if left_right in seen else None,
        swapped=tuple(swapped),
        spacing=tuple(plan.spacing[axis] or 1.0 for axis in seen),
        seed=seed,
        previous=plan.previous,
        slices=plan.slices,
    )


def training_flips(options: PatchChanges, plan: Plan, swapped: Sequence[int]) -> tuple[int, ...]:
    """Return the prepared axes along which training flips."""
    if options.mirror == 0 or (options.mirror is None and not plan.long):
        return ()
    wanted = options.mirror_axes
    return tuple(axis for axis in flippable_axes(plan, swapped) if wanted is None or axis in wanted)


def check_strangers_config(config: TrainConfig) -> None:
    """Refuse the config of a run folder that names anything but classes of the roles that its slots expect.

    Raises:
        UsageError: when it names a package beside segkit, monai, torch and `trust`; nothing was imported then.
        DataError: when it names what is no class of its slot's role, or one that reads, writes or downloads.
    """
    check_network(config.network, config.trust)
    check_transforms(config.preprocessing.on_scan or [], config.trust, key=BEFORE)
    check_transforms(config.preprocessing.transforms, config.trust)
    for changes in filter(None, (config.augmentation, config.augmentation.long)):
        check_transforms(changes.transforms, config.trust, BatchTransform, *kornia_roles(config.trust))
    roles = {
        "loss": nn.Module, "optimizer": torch.optim.Optimizer, "schedule": Schedule, "logger": Logger,
        "profiler": Profiler,
    }  # fmt: skip
    parts = [
        *((slot, (role,), getattr(config, slot)) for slot, role in roles.items()),
        ("data.layout", (Layout,), config.data.layout),
        *((f"callbacks.{name}", (Callback,), part) for name, part in config.callbacks.items()),
        *((f"plugins.{name}", PLUGINS, part) for name, part in config.plugins.items()),
    ]
    for slot, expected, part in parts:
        if part:  # a callback may be null, and there may be no profiler
            target = str(part.get("_target_"))
            resolve_target(target, roles=expected, trust=config.trust, slot=slot, arguments=arguments_of(part))
