"""Seconds in a network, for either side of a comparison: in segkit's Python and in nnU-Net's."""

from __future__ import annotations

import time

import torch
from torch import nn


class Timed(nn.Module):
    """Counts the seconds in a network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.seconds = network, 0.0

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        """Run the network."""
        began = time.perf_counter()
        logits: torch.Tensor = self.network(batch)
        self.seconds += time.perf_counter() - began
        return logits
