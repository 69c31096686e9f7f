"""A network from its yaml and the plan."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from hydra.utils import get_class
from torch import nn

from segkit.config.plan import Plan, leaves_features
from segkit.foundation.building import TARGET, arguments_of, build
from segkit.foundation.counted import seed_from
from segkit.foundation.errors import DataError, UsageError, one_line
from segkit.foundation.strangers import resolve_target

COMMITTEE = "segkit.networks.committee.Committee"
WEIGHTS = 4  # the stream of the initial weights


def network_arguments(network: Mapping[str, Any], plan: Plan, *, out_channels: int) -> dict[str, Any]:
    """Return a network's yaml with what the data set and the plan decide filled in; a committee's where it has members.

    Args:
        network: `_target_` and its options.
        plan: decides channels and dimensions, each for a network that takes it, and patch, strides and kernels for
            segkit's own: elsewhere these names mean other things.
        out_channels: classes, background included.

    Raises:
        UsageError: when the network does not take patches of the plan's size.
    """
    check_patch(network, plan)
    decided: dict[str, Any] = {
        "in_channels": plan.network_width,
        "out_channels": out_channels,
        "dims": plan.dims,
        "spatial_dims": plan.dims,  # MONAI's name for it
    }
    if network["_target_"].startswith("segkit."):
        decided["strides"] = [list(level) for level in plan.strides]
        decided["kernels"] = [list(level) for level in plan.kernels]
        decided["patch"] = list(plan.network_patch)
    accepted = inspect.signature(get_class(network["_target_"])).parameters
    arguments = {**{name: value for name, value in decided.items() if name in accepted}, **network}
    if plan.features is not None and leaves_features(network):
        arguments["features"] = list(plan.features)
    return arguments if plan.members == 1 else {TARGET: COMMITTEE, "members": plan.members, "network": arguments}


def halvings(network: Mapping[str, Any]) -> int | None:
    """Return how often a network halves every axis whatever the plan says; None where it takes the plan's strides.

    Args:
        network: `_target_`, a class that may state it (`MonaiNetwork`), and its options.
    """
    stated = getattr(get_class(network["_target_"]), "halvings", None)
    return None if stated is None else int(stated(network))


def takes_patch(network: Mapping[str, Any]) -> bool:
    """Say whether a network is built for patches of one size."""
    target = network["_target_"]
    return target.startswith("segkit.") and "patch" in inspect.signature(get_class(target)).parameters


def check_patch(network: Mapping[str, Any], plan: Plan) -> None:
    """Refuse a patch, which is a prediction's window too, that a network cannot halve as often as it does.

    Raises:
        UsageError: naming the key and the divisor.
    """
    times = halvings(network)
    if times is None:
        return
    divisor, sizes = 2**times, plan.network_patch
    said = f"network: {network['_target_']} takes patches in multiples of {divisor} along each axis"
    if any(size % divisor for size in sizes):
        nearest = _configured(plan, [max(1, round(size / divisor)) * divisor for size in plan.patch])
        raise UsageError(f"{said}, and the plan's has {_times(sizes)} voxels: pass plan.patch={nearest} or the like")
    if max(sizes) == divisor:
        doubled = [2 * divisor if axis == plan.patch.index(divisor) else divisor for axis in range(len(plan.patch))]
        raise UsageError(
            f"{said}, and {_times(sizes)} voxels leave its coarsest level a single one, which cannot be normalised: "
            f"pass plan.patch={_configured(plan, doubled)} or the like"
        )


def _configured(plan: Plan, sizes: Sequence[int]) -> str:
    return f"[{','.join('1' if axis == plan.slice_axis else str(size) for axis, size in enumerate(sizes))}]"


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))


def initial_network(arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """Build a network whose weights depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_from(seed, WEIGHTS))
        return build_network(arguments)


def build_network(arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network from `network_arguments`; those of a stranger's model pass `check_network` first.

    Arguments are handed over as they stand: a `_target_` inside them is not followed, but for a committee's `network`.

    Raises:
        UsageError: when the class does not take these arguments.
    """
    try:
        network: nn.Module = build(arguments)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError) as error:
        raise UsageError(
            f"network: {arguments['_target_']} cannot be built: {type(error).__name__}: {one_line(error)}"
        ) from error
    return network


def check_size(arguments: Mapping[str, Any], weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse a stranger's network that would take twice the memory that its weights fill, before it takes any.

    A network that cannot be built without memory is let pass.

    Args:
        arguments: out of a model file.
        weights: that belong to it.

    Raises:
        DataError: when it has more than twice as many parameters; with fewer, loading says which do not fit.
        UsageError: when the class does not take these arguments.
    """
    try:
        with torch.device("meta"):
            skeleton = build_network(arguments)
    except (RuntimeError, NotImplementedError):  # it looks at a value while it is built
        return
    wanted, given = (sum(each.numel() for each in tensors) for tensors in (skeleton.parameters(), weights.values()))
    if wanted > 2 * given:
        raise DataError(
            f"network: {arguments['_target_']} would have {wanted} parameters, and the weights hold {given}"
        )


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
    if arguments.get(TARGET) == COMMITTEE and isinstance(options.get("network"), Mapping):
        check_network(options.pop("network"), trust)  # which a committee builds
    resolve_target(str(arguments.get("_target_")), roles=(nn.Module,), trust=trust, slot="network", arguments=options)
