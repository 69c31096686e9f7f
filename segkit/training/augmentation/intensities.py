"""Changes of intensity, the whole batch at once: noise, blur, brightness, contrast, gamma."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from segkit.training.augmentation.transform import BatchTransform, Shape, between, bounds

SMALLEST = 1e-7  # of a range or deviation that is divided by
REACH = 3.0  # standard deviations of a Gaussian kernel's half width


class ImageTransform(BatchTransform):
    """Changes channels of images one by one and leaves references alone.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
    """

    def __init__(self, probability: float, channel: float = 1.0) -> None:
        self.probability, self.channel = probability, channel

    def draw(self, draw: np.random.Generator, shape: Shape) -> list[Any] | None:
        """Return the parameters of each channel, None for one that stays."""
        if draw.random() >= self.probability:
            return None
        drawn = [
            self.draw_channel(draw, shape) if draw.random() < self.channel else None for _ in range(shape.channels)
        ]
        return drawn if any(each is not None for each in drawn) else None

    def apply(self, images: Tensor, references: Tensor, parameters: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Return the batch with its images changed, in place."""
        for image, drawn in zip(images, parameters, strict=True):
            # An earlier stage's mask comes last among the channels and is no intensity: nothing was drawn for it.
            for channel, parameter in zip(image, drawn or (), strict=False):
                if parameter is not None:
                    self.change(channel, parameter)
        return images, references

    @abstractmethod
    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> Any:
        """Return the parameters of one channel."""

    @abstractmethod
    def change(self, channel: Tensor, parameter: Any) -> None:
        """Change a channel (*size), or slices of it (slices, *size), in place."""


class GaussianNoise(ImageTransform):
    """Add noise of a drawn variance.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
        variance: range, of normalised intensities.
    """

    def __init__(self, probability: float = 0.1, channel: float = 1.0, variance: Sequence[float] = (0.0, 0.1)) -> None:
        super().__init__(probability, channel)
        self.variance = bounds("variance", variance, least=0)

    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> tuple[float, int]:
        """Return the standard deviation, and the seed of the noise, which is made where the batch lives."""
        return math.sqrt(between(draw, self.variance)), int(draw.integers(2**31))

    def change(self, channel: Tensor, parameter: tuple[float, int]) -> None:
        """Add the noise."""
        deviation, seed = parameter
        source = torch.Generator(channel.device).manual_seed(seed)
        channel.add_(torch.randn(channel.shape, generator=source, device=channel.device), alpha=deviation)


class GaussianBlur(ImageTransform):
    """Blur with a drawn standard deviation in voxels; the rim is repeated outwards.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
        sigma: range in voxels.
    """

    def __init__(self, probability: float = 0.2, channel: float = 0.5, sigma: Sequence[float] = (0.5, 1.0)) -> None:
        super().__init__(probability, channel)
        self.sigma = bounds("sigma", sigma, least=0)

    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> tuple[float, int]:
        """Return the standard deviation in voxels, and the axes of a patch; slices beside each other are no axis."""
        return between(draw, self.sigma), len(shape.size)

    def change(self, channel: Tensor, parameter: tuple[float, int]) -> None:
        """Convolve along one axis after the other."""
        sigma, axes = parameter
        taps = gaussian_taps(sigma)
        blurred = channel
        for axis in range(channel.dim() - axes, channel.dim()):
            blurred = convolved(blurred, taps, axis)
        channel.copy_(blurred)


def gaussian_taps(sigma: float) -> list[float]:
    """Return the weights of a Gaussian of `sigma` voxels at whole voxels, three deviations to each side, of sum 1."""
    sigma = max(sigma, SMALLEST)  # of no deviation at all the middle has all the weight
    reach = max(1, round(REACH * sigma))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return [float(tap) for tap in taps / taps.sum()]


def convolved(values: Tensor, taps: Sequence[float], axis: int) -> Tensor:
    """Return values (*size) convolved along one axis, the rim repeated outwards."""
    reach, size = len(taps) // 2, values.shape[axis]
    first, last = values.narrow(axis, 0, 1), values.narrow(axis, size - 1, 1)
    repeated = [reach if place == axis else -1 for place in range(values.dim())]
    wide = torch.cat([first.expand(repeated), values, last.expand(repeated)], axis)
    total = wide.narrow(axis, 0, size) * taps[0]
    for place, tap in enumerate(taps[1:], start=1):
        total.add_(wide.narrow(axis, place, size), alpha=tap)
    return total


class Brightness(ImageTransform):
    """Multiply intensities by a drawn factor.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
        factors: range.
    """

    def __init__(
        self, probability: float = 0.15, channel: float = 1.0, factors: Sequence[float] = (0.75, 1.25)
    ) -> None:
        super().__init__(probability, channel)
        self.factors = bounds("factors", factors)

    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> float:
        """Return the factor."""
        return between(draw, self.factors)

    def change(self, channel: Tensor, parameter: float) -> None:
        """Multiply."""
        channel.mul_(parameter)


class Contrast(ImageTransform):
    """Stretch intensities about their mean, within the range that they had.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
        factors: range; the half below 1 is drawn as often as the half above.
    """

    def __init__(
        self, probability: float = 0.15, channel: float = 1.0, factors: Sequence[float] = (0.75, 1.25)
    ) -> None:
        super().__init__(probability, channel)
        self.factors = bounds("factors", factors)

    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> float:
        """Return the factor."""
        low, high = self.factors
        is_lower = low < 1 and (high <= 1 or draw.random() < 0.5)
        return between(draw, (low, min(1.0, high)) if is_lower else (max(1.0, low), high))

    def change(self, channel: Tensor, parameter: float) -> None:
        """Stretch, then clip."""
        low, high = (float(bound) for bound in channel.aminmax())
        mean = float(channel.mean())
        channel.mul_(parameter).add_(mean * (1 - parameter)).clamp_(low, high)


class Gamma(ImageTransform):
    """Raise intensities, scaled to 0..1 within the patch, to a drawn power; mean and deviation are kept.

    Args:
        probability: that a sample is changed.
        channel: probability for each of its channels, where it is.
        exponents: range.
        inverted: whether the image is turned dark for bright before, and back after.
    """

    def __init__(
        self,
        probability: float = 0.3,
        channel: float = 1.0,
        exponents: Sequence[float] = (0.7, 1.5),
        inverted: bool = False,
    ) -> None:
        super().__init__(probability, channel)
        self.exponents, self.inverted = bounds("exponents", exponents, least=SMALLEST), inverted

    def draw_channel(self, draw: np.random.Generator, shape: Shape) -> float:
        """Return the power."""
        return between(draw, self.exponents)

    def change(self, channel: Tensor, parameter: float) -> None:
        """Apply the power and give mean and deviation back."""
        sign = -1.0 if self.inverted else 1.0
        mean, deviation = mean_and_deviation(channel)
        low, high = sorted(sign * float(bound) for bound in channel.aminmax())
        spread = max(high - low, SMALLEST)
        channel.mul_(sign / spread).sub_(low / spread).clamp_(0, 1).pow_(parameter)
        new_mean, new_deviation = mean_and_deviation(channel)
        scale = sign * deviation / max(new_deviation, SMALLEST)
        channel.mul_(scale).add_(mean - scale * new_mean)


def mean_and_deviation(values: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation; a scalar product is several times faster than PyTorch's own reduction."""
    flat = values.reshape(-1)
    mean = float(flat.mean())
    return mean, math.sqrt(max(0.0, float(flat.dot(flat)) / len(flat) - mean * mean))
