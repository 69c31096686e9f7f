"""Cubic B-spline interpolation of patches that zeros surround: coefficients by matrix products, samples by PyTorch."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

RIM = 3  # coefficients beyond each face: a place less than two voxels outside still sees four along each axis
POLE = 3**0.5 - 2  # of the filter that turns samples into coefficients


def coefficients(image: Tensor) -> Tensor:
    """Return the B-spline coefficients of an image that zeros surround, `RIM` of them beyond each face.

    Args:
        image: shape (X[, Y[, Z]]).

    Source: Unser 1999, IEEE Signal Processing Magazine 16(6), "Splines: a perfect fit", box 2; its two recursive
    filters are, between zeros, the convolution with sqrt(3) * (sqrt(3) - 2)^|n|.
    """
    for axis, size in enumerate(image.shape):
        weights = _filter(size).to(image.device)
        image = torch.tensordot(image, weights, dims=([axis], [1])).movedim(-1, axis)
    return image.contiguous()


@lru_cache(maxsize=16)
def _filter(size: int) -> Tensor:
    distance = torch.arange(-RIM, size + RIM)[:, None] - torch.arange(size)
    return (3**0.5 * POLE ** distance.abs().double()).float()


def cubic_samples(controls: Tensor, places: Tensor) -> Tensor:
    """Interpolate by two linear samples along each axis, each of two coefficients at once.

    Args:
        controls: `coefficients` of an image with D axes.
        places: indices into the image, (D, *points).

    Returns:
        values, shape (*points); 0 two voxels outside and beyond.

    Source: Sigg and Hadwiger 2005, GPU Gems 2, chapter 20, "Fast third-order texture filtering".
    """
    first = places.floor()
    u = places - first
    shares = (1 - u) ** 3 / 6, (4 - 6 * u**2 + 3 * u**3) / 6, (1 + 3 * u + 3 * u**2 - 3 * u**3) / 6, u**3 / 6
    pairs = [(shares[0] + shares[1], first - 1 + shares[1] / (shares[0] + shares[1]))]
    pairs += [(shares[2] + shares[3], first + 1 + shares[3] / (shares[2] + shares[3]))]
    sizes = torch.tensor(controls.shape, device=places.device).reshape(-1, *[1] * (places.dim() - 1))
    scaled = [(share, 2 * (place + RIM) / (sizes - 1) - 1) for share, place in pairs]
    axes = range(len(places))
    total = torch.zeros_like(places[0])
    for sides in product((0, 1), repeat=len(places)):
        weight = torch.stack([scaled[side][0][axis] for axis, side in zip(axes, sides, strict=True)]).prod(0)
        place = torch.stack([scaled[side][1][axis] for axis, side in zip(axes, sides, strict=True)])
        total += weight * linear_samples(controls, place.flip(0).movedim(0, -1))
    is_near = ((first >= -2) & (first <= sizes - 2 * RIM)).all(0)
    return total * is_near


def linear_samples(values: Tensor, grid: Tensor) -> Tensor:
    """Interpolate linearly, zeros outside, at places as `grid_sample` takes them: (*points, D), last axis first."""
    sampled = functional.grid_sample(
        values[None, None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=True
    )
    linear: Tensor = sampled[0, 0]
    return linear
