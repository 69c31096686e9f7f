"""What an augmentation step of ours is: parameters drawn per sample, applied to the batch at once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from segkit.foundation.errors import UsageError


@dataclass(frozen=True)
class Shape:
    """What a draw may depend on.

    Attributes:
        channels: of the image.
        size: voxels of the patch along each axis that the network sees.
        spacing: mm between them; 1 where the plan leaves a scan's own.
        slices: of each channel, side by side.
    """

    channels: int
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    slices: int = 1


Bounds = tuple[float, float]


def bounds(name: str, values: Sequence[float], *, least: float = -math.inf) -> Bounds:
    """Return a range of a yaml as two numbers in order.

    Args:
        name: of the argument that it is, for errors.
        values: the lowest and the highest.
        least: below which nothing makes sense.

    Raises:
        UsageError: when it is no such range.
    """
    numbers = [float(value) for value in values]
    if len(numbers) != 2 or numbers[0] > numbers[1] or numbers[0] < least:
        above = "" if least == -math.inf else f", both at least {least:g}"
        raise UsageError(f"augmentation: {name}: {list(values)} is no range: write [lowest, highest]{above}")
    return numbers[0], numbers[1]


def between(draw: np.random.Generator, limits: Bounds) -> float:
    """Draw a number evenly from a range."""
    return float(draw.uniform(limits[0], limits[1]))


class BatchTransform(ABC):
    """Draws its parameters on the CPU, sample by sample, and applies them where the batch lives."""

    @abstractmethod
    def draw(self, draw: np.random.Generator, shape: Shape) -> Any:
        """Return the parameters of one sample; None leaves it as it is."""

    @abstractmethod
    def apply(self, images: Tensor, references: Tensor, parameters: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return a batch with drawn parameters applied.

        Args:
            images: (N, C, *size) float32; may be overwritten. Where a 2D network sees several slices of a channel,
                (N, C, slices, *size).
            references: (N, *size) uint8 classes, 255 where ignored.
            parameters: of each sample, None where it stays.
        """
