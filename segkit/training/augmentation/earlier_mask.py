"""Errors that an earlier stage could have made, so that a network learns not to trust its mask blindly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from segkit.training.augmentation.transform import BatchTransform, Shape

Mask = NDArray[np.bool_]
INSIDE = 0.5  # of a class that was resampled: above it, a voxel counts as inside


@dataclass(frozen=True)
class Errors:
    """What becomes of one sample's mask.

    Attributes:
        operations: for each class the name of an operation and its radius in voxels, None where it stays.
        losing: for each class a number 0..1 that picks the component it loses, None where it keeps all.
    """

    operations: tuple[tuple[str, int] | None, ...]
    losing: tuple[float | None, ...]


class EarlierMaskErrors(BatchTransform):
    """Grow, shrink, open or close classes of an earlier stage's mask, and drop some of its small components.

    No class is lost as a whole: masks of networks that never saw a case miss it as often as they really do, and since
    patches are drawn around what is searched, more misses would teach to find it where the mask has nothing.

    Args:
        classes: of the mask but the background, the last channels of an image.
        shapes: probability that a sample's classes change their shape.
        shaped: probability of that for each of its classes.
        radius: largest, in voxels.
        loses: probability for each class that it loses one of its components.
        largest: share of the patch; a component larger than that is never lost.

    Source: nnU-Net 2, `ApplyRandomBinaryOperatorTransform` and
        `RemoveRandomConnectedComponentFromOneHotEncodingTransform`, which may leave nothing of a class.
    """

    def __init__(
        self,
        classes: int,
        *,
        shapes: float = 0.4,
        shaped: float = 0.75,
        radius: int = 5,
        loses: float = 0.2,
        largest: float = 0.15,
    ) -> None:
        self.classes, self.shapes, self.shaped, self.radius = classes, shapes, shaped, radius
        self.loses, self.largest = loses, largest

    def draw(self, draw: np.random.Generator, shape: Shape) -> Errors | None:
        """Return what becomes of each class of one sample."""
        operations: list[tuple[str, int] | None] = [None] * self.classes
        if draw.random() < self.shapes:
            names = list(OPERATIONS)
            for place in range(self.classes):
                if draw.random() < self.shaped:
                    operations[place] = names[int(draw.integers(len(names)))], int(draw.integers(1, self.radius + 1))
        losing = [float(draw.random()) if draw.random() < self.loses else None for _ in range(self.classes)]
        if not any(operations) and all(each is None for each in losing):
            return None
        return Errors(tuple(operations), tuple(losing))

    def apply(self, images: Tensor, references: Tensor, parameters: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return the batch with the masks changed, in place."""
        for image, errors in zip(images, parameters, strict=True):
            if errors is None:
                continue
            for channel, operation, losing in zip(
                image[-self.classes :], errors.operations, errors.losing, strict=True
            ):
                if operation or losing is not None:
                    # On the CPU, where SciPy tells components apart; PyTorch does not.
                    mask = (channel > INSIDE).cpu().numpy()
                    changed = self.changed(mask, operation, losing)
                    channel.copy_(torch.from_numpy(changed.astype(np.float32)))
        return images, references

    def changed(self, mask: Mask, operation: tuple[str, int] | None, losing: float | None) -> Mask:
        """Return one class's mask with its errors."""
        if operation and mask.any():
            name, radius = operation
            shaped = OPERATIONS[name](mask, radius)
            mask = shaped if shaped.any() else mask
        return mask if losing is None else self.without_component(mask, losing)

    def without_component(self, mask: Mask, losing: float) -> Mask:
        """Return a mask without one of its small connected components, that which `losing` picks; never without all."""
        labelled, count = ndimage.label(mask)
        sizes = np.bincount(labelled.reshape(-1))[1:]
        small = np.flatnonzero(sizes <= self.largest * mask.size)
        if count < 2 or not len(small):
            return mask
        lost = int(small[int(losing * len(small))]) + 1
        remaining: Mask = mask & (labelled != lost)
        return remaining


def grown(mask: Mask, radius: int) -> Mask:
    """Return a mask grown by `radius` voxels along the axes."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=radius))


def shrunk(mask: Mask, radius: int) -> Mask:
    """Return a mask shrunk by `radius` voxels along the axes; it goes on beyond the patch."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=radius, border_value=1))


OPERATIONS: dict[str, Callable[[Mask, int], Mask]] = {
    "grow": grown,
    "shrink": shrunk,
    "open": lambda mask, radius: grown(shrunk(mask, radius), radius),
    "close": lambda mask, radius: shrunk(grown(mask, radius), radius),
}
