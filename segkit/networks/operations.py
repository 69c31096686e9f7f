"""How many operations a network takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from segkit.networks.activations import without_numbers
from segkit.networks.building import build_network


def forward_operations(network: Mapping[str, Any], channels: int, patch: Sequence[int]) -> float:
    """Return the floating-point operations of one patch's way through a network, additions and multiplications.

    Counted without numbers, but for a network that computes with values to decide what it does: it is run once.

    Args:
        network: its arguments.
        channels: of an image.
        patch: voxels per network axis.

    Raises:
        UsageError: when the network does not take its arguments.
    """
    shape = (1, channels, *patch)
    try:
        return counted(without_numbers(lambda: build_network(network)), torch.zeros(shape, device="meta"))
    except RuntimeError:
        return counted(build_network(network).train(), torch.zeros(shape))


@torch.no_grad()
def counted(network: nn.Module, images: Tensor) -> float:
    """Run a network once and return its operations."""
    with FlopCounterMode(display=False) as counter:
        network(images)
    return float(counter.get_total_flops())
