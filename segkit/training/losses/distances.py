"""Exact distances to the boundary of a mask, in voxels, on the device where it lies."""

from __future__ import annotations

import torch
from torch import Tensor

FAR = 1e9  # squared voxels, beyond any patch


@torch.no_grad()
def signed_distances(masks: Tensor) -> Tensor:
    """Return how far each voxel is from the mask's boundary.

    Args:
        masks: (N, K, *size), booleans.

    Returns:
        float32, (N, K, *size), in voxels: outside the distance to the nearest voxel inside; inside minus the distance
        to the nearest voxel outside, plus 1, so that the outermost voxels of the mask have 0. All 0 where a mask is
        empty or full: it has no boundary.

    Source: Kervadec et al. 2019, MIDL, "Boundary loss", as in the authors' code.
    """
    outside, inside = squared_distances(masks).sqrt(), squared_distances(~masks).sqrt()
    space = tuple(range(2, masks.dim()))
    has_boundary = masks.any(space, keepdim=True) & ~masks.all(space, keepdim=True)
    return torch.where(masks, 1 - inside, outside) * has_boundary


def squared_distances(masks: Tensor) -> Tensor:
    """Return the squared distance of each voxel (N, K, *size) to the nearest one of its mask, at least `FAR` if none.

    Axis by axis, the lower envelope of parabolas taken over every pair of positions: n passes over the array per axis
    of n voxels, none of which waits for another line.

    Source: Felzenszwalb & Huttenlocher 2012, Theory of Computing 8, "Distance transforms of sampled functions".
    """
    squared = torch.where(masks, 0.0, FAR)
    for axis in range(2, masks.dim()):
        size = masks.shape[axis]
        positions = torch.arange(size, device=masks.device).view(size, *[1] * (masks.dim() - 1 - axis))
        nearest = torch.full_like(squared, torch.inf)
        for source in range(size):
            offsets = (positions - source).square()
            torch.minimum(nearest, squared.narrow(axis, source, 1) + offsets, out=nearest)
        squared = nearest
    return squared
