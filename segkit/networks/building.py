"""A network from its yaml and the plan."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.utils import get_class
from torch import nn

from segkit.config.plan import Plan
from segkit.foundation.building import arguments_of, build
from segkit.foundation.errors import UsageError
from segkit.foundation.strangers import resolve_target


def network_arguments(network: Mapping[str, Any], plan: Plan, *, out_channels: int) -> dict[str, Any]:
    """Return a network's yaml with what the data set and the plan decide filled in.

    Args:
        network: `_target_` and its options.
        plan: decides channels and dimensions, each for a network that takes it, and strides and kernels for segkit's
            own: elsewhere these names mean other things.
        out_channels: classes, background included.
    """
    decided: dict[str, Any] = {
        "in_channels": len(plan.channels),
        "out_channels": out_channels,
        "dims": plan.dims,
        "spatial_dims": plan.dims,  # MONAI's name for it
    }
    if network["_target_"].startswith("segkit."):
        decided["strides"] = [list(level) for level in plan.strides]
        decided["kernels"] = [list(level) for level in plan.kernels]
    accepted = inspect.signature(get_class(network["_target_"])).parameters
    return {**{name: value for name, value in decided.items() if name in accepted}, **network}


def build_network(arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network from `network_arguments`; those of a stranger's model pass `check_network` first.

    Arguments are handed over as they stand: a `_target_` inside them is not followed.

    Raises:
        UsageError: when the class does not take these arguments.
    """
    try:
        network: nn.Module = build(arguments)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
        raise UsageError(
            f"network: {arguments['_target_']} cannot be built: {type(error).__name__}: {error}"
        ) from error
    return network


def check_network(arguments: Mapping[str, Any], trust: Sequence[str]) -> None:
    """Refuse a stranger's network that is not a network class of an allowed package.

    Args:
        arguments: out of a model file or a run's config.
        trust: packages beside segkit, monai and torch that may be named.

    Raises:
        UsageError: when the package is not allowed; nothing was imported then.
        DataError: when the target is no network, or one that reads, writes, downloads or takes a callable.
    """
    options = arguments_of(arguments)
    resolve_target(str(arguments.get("_target_")), roles=(nn.Module,), trust=trust, slot="network", arguments=options)
