"""Which weights of a network learn, and how fast, when it starts from another training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from segkit.foundation.console import say
from segkit.foundation.errors import UsageError
from segkit.networks.committee import without_member


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Let weights stay as they are.

    Args:
        network: changed in place.
        patterns: of the names of its parameters, with `*`; of a committee as each member has them.

    Raises:
        UsageError: when a pattern fits no parameter, or none is left to learn.
    """
    if not patterns:
        return
    named = [(without_member(name), parameter) for name, parameter in network.named_parameters()]
    check_patterns(patterns, (name for name, _ in named), "training.frozen")
    for name, parameter in named:
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            parameter.requires_grad_(False)
    left = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    if not left:
        raise UsageError("training.frozen: no weight is left to learn")
    total = sum(parameter.numel() for parameter in network.parameters())
    say(f"{total - left} of {total} weights are frozen")


def check_patterns(patterns: Iterable[str], names: Iterable[str], key: str) -> None:
    """Make sure that each pattern fits a name.

    Raises:
        UsageError: naming the first that fits none, and what names begin with.
    """
    known = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            first = dict.fromkeys(".".join(name.split(".")[:2]) for name in known)
            shown = ", ".join(f"{part}.*" for part in list(first)[:12])
            raise UsageError(f"{key}: no weight of the network is called {pattern}; there are {shown}")


def trainable(network: nn.Module) -> list[Tensor]:
    """Return the parameters that are not frozen, in the order of the network's layers."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def set_rates(optimizer: torch.optim.Optimizer, network: nn.Module, rates: Mapping[str, float]) -> None:
    """Give parameters learning rates of their own: each group of an optimiser is divided by the factors.

    Args:
        optimizer: new, over the parameters of `network`; changed in place.
        network: whose parameters' names are meant.
        rates: pattern of names to factor on the rate; of several that fit, the first counts.

    Raises:
        UsageError: when a pattern fits no parameter.
    """
    if not rates:
        return
    named = [(without_member(name), each) for name, each in network.named_parameters() if each.requires_grad]
    check_patterns(rates, (name for name, _ in named), "training.rates")
    # By identity: an optimiser knows parameters without their names, and tensors compare value by value.
    factors = {id(parameter): factor_of(name, rates) for name, parameter in named}
    divided = []
    for group in optimizer.param_groups:
        for factor in dict.fromkeys(factors[id(parameter)] for parameter in group["params"]):
            inside = [parameter for parameter in group["params"] if factors[id(parameter)] == factor]
            divided.append({**group, "params": inside, "lr": group["lr"] * factor})
    optimizer.param_groups = divided


def factor_of(name: str, rates: Mapping[str, float]) -> float:
    """Return the factor of the first pattern that fits a name; 1 where none does."""
    return next((factor for pattern, factor in rates.items() if fnmatchcase(name, pattern)), 1.0)
