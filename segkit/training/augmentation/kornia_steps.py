"""Kornia's augmentations in a list of ours: the image as Kornia does it, the reference moved by the same parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def is_kornias(step: object) -> bool:
    """Say whether a step is one of Kornia's, without importing Kornia."""
    return isinstance(step, torch.nn.Module) and any(
        base.__module__.startswith("kornia.augmentation.") for base in type(step).__mro__
    )


def kornia_augmented(step: Any, image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Send one sample through an augmentation of Kornia's.

    Args:
        step: draws from PyTorch's global generator, which the caller seeds.
        image: shape (C, *size).
        reference: classes, shape (*size).

    Returns:
        both, of the same shapes; references by the largest one-hot weight, 0 outside.
    """
    augmented: Tensor = step(image[None])
    if ".intensity" in type(step).__module__:
        return augmented[0], reference
    present = torch.unique(reference)
    weights = functional.one_hot(torch.bucketize(reference, present), len(present)).movedim(-1, 0).float()
    moved = step(weights[None], params=step._params)[0]
    outside = moved.sum(0) < 0.5  # more of it comes from beyond the patch than from inside
    return augmented[0], present[moved.argmax(0)].masked_fill(outside, 0)
