"""Kornia's augmentations in a list of ours: the image as Kornia does it, the reference moved by the same parameters."""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from segkit.foundation.errors import UsageError

FAMILIES = tuple(f"kornia.augmentation._{dims}d.{{}}." for dims in (2, 3))  # packages of its augmentations


def kornia_roles(trust: Collection[str]) -> tuple[type, ...]:
    """Return the class that a stranger's augmentation of Kornia must be of, where Kornia is trusted."""
    if "kornia" not in trust or find_spec("kornia") is None:
        return ()
    from kornia.augmentation.base import _AugmentationBase

    return (_AugmentationBase,)


def is_kornias(step: object) -> bool:
    """Say whether a step is one of Kornia's, without importing Kornia."""
    return any(base.__module__.startswith("kornia.augmentation.") for base in type(step).__mro__)


def is_of(step: object, family: str) -> bool:
    """Say whether a step is one of Kornia's `intensity` or `geometric` augmentations, or inherits from one."""
    packages = tuple(package.format(family) for package in FAMILIES)
    return any(base.__module__.startswith(packages) for base in type(step).__mro__)


def kornia_augmented(step: Any, image: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Send one sample through an augmentation of Kornia's.

    Args:
        step: draws from PyTorch's global generator, which the caller seeds.
        image: shape (C, *size).
        reference: classes, shape (*size).

    Returns:
        both, of the same shapes; references by the largest one-hot weight, 0 outside.

    Raises:
        UsageError: when the step mixes samples, chooses among augmentations, or changes the patch's size.
    """
    name = f"augmentation: kornia's {type(step).__name__}"
    if not is_of(step, "intensity") and not is_of(step, "geometric"):
        raise UsageError(f"{name} changes neither intensities nor places alone; name such augmentations one by one")
    augmented: Tensor = step(image[None])[0]
    if augmented.shape != image.shape:
        raise UsageError(f"{name} makes patches of {tuple(augmented.shape)} out of {tuple(image.shape)}")
    if is_of(step, "intensity"):
        return augmented, reference
    present = torch.unique(reference)
    weights = functional.one_hot(torch.bucketize(reference, present), len(present)).movedim(-1, 0).float()
    moved = step(weights[None], params=step._params)[0]
    outside = moved.sum(0) < 0.5  # more of it comes from beyond the patch than from inside
    return augmented, present[moved.argmax(0)].masked_fill(outside, 0)
