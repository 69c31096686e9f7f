"""Where windows lie and how much each of their voxels counts."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

SIGMA = 1 / 8  # of the window's size; nnU-Net's and MONAI's


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Return evenly spaced starts so that windows cover 0..size and neighbours share at least `overlap` of a window.

    Args:
        size: voxels of the axis, at least `window`.
        window: voxels of the window.
        overlap: share of a window, 0 to 0.9.
    """
    if size <= window:
        return [0]
    step = max(1, math.floor(window * (1 - overlap)))
    count = math.ceil((size - window) / step) + 1
    return [round(index * (size - window) / (count - 1)) for index in range(count)]


@lru_cache(maxsize=4)
def gaussian(window: tuple[int, ...]) -> Tensor:
    """Return the weight of each voxel of a window, a Gaussian about its centre, at least 1e-3 so that corners count.

    Source: Isensee et al. 2021, Nature Methods 18, "Inference".
    """
    weights = torch.ones(())
    for size in window:
        distance = (torch.arange(size) - (size - 1) / 2) / max(size * SIGMA, 1e-3)
        weights = weights[..., None] * torch.exp(-(distance**2) / 2)
    return weights.clamp_min(1e-3)
