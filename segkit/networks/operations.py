"""How many operations a network takes, counted without numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from segkit.networks.activations import without_numbers
from segkit.networks.building import build_network


def forward_operations(network: Mapping[str, Any], patch: Sequence[int]) -> float:
    """Return the floating-point operations of one patch's way through a network, additions and multiplications.

    Args:
        network: its arguments.
        patch: voxels per network axis.

    Raises:
        UsageError: when the network does not take its arguments.
    """
    shape = (1, int(network["in_channels"]), *patch)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        try:
            without_numbers(lambda: build_network(network))(torch.zeros(shape, device="meta"))
        except RuntimeError:  # it computes with values to decide what it does
            build_network(network).train()(torch.zeros(shape))
    return float(counter.get_total_flops())
