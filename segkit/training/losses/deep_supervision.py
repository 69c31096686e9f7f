"""One loss on the outputs of several resolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def supervised(loss: nn.Module, outputs: Tensor | Sequence[Tensor], target: Tensor) -> Tensor:
    """Apply a loss to each output of a deeply supervised network, each coarser one counting half of the finer.

    Args:
        loss: of one output.
        outputs: logits, or a list of them, finest first.
        target: classes (N, *size) or regions (N, R, *size) of the finest; coarser ones see the nearest voxels.

    Source: Isensee et al. 2021, Nature Methods 18, "Deep supervision".
    """
    if isinstance(outputs, Tensor):
        value: Tensor = loss(outputs, target)
        return value
    weights = [0.5**index for index in range(len(outputs))]
    total = torch.zeros((), device=target.device)
    for weight, output in zip(weights, outputs, strict=True):
        total = total + weight / sum(weights) * loss(output, at_size(target, output))
    return total


def at_size(target: Tensor, output: Tensor) -> Tensor:
    """Return classes (N, *size) or regions (N, R, *size) at the voxels nearest to those of an output, of its size."""
    stacked = target if target.dim() == output.dim() else target[:, None]
    coarse = functional.interpolate(stacked.float(), output.shape[2:], mode="nearest-exact").to(target.dtype)
    return coarse if target.dim() == output.dim() else coarse[:, 0]
