"""Layers by number of spatial axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import nn

Layers = Mapping[int, Callable[..., nn.Module]]
CONVOLUTION: Layers = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: Layers = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
INSTANCE_NORM: Layers = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
DROPOUT: Layers = {2: nn.Dropout2d, 3: nn.Dropout3d}
POOLING: Mapping[str, Layers] = {
    "max": {2: nn.MaxPool2d, 3: nn.MaxPool3d},
    "average": {2: nn.AvgPool2d, 3: nn.AvgPool3d},
}
NEGATIVE_SLOPE = 0.01


def convolution(
    dims: int, in_channels: int, out_channels: int, kernel: Sequence[int], stride: Sequence[int], *, bias: bool = False
) -> nn.Module:
    """Return a convolution that keeps the size divided by `stride`."""
    padding = tuple(size // 2 for size in kernel)
    return CONVOLUTION[dims](in_channels, out_channels, tuple(kernel), tuple(stride), padding, bias=bias)


def normalisation(dims: int, channels: int) -> nn.Module:
    """Return an instance normalisation with learnt scale and shift."""
    return INSTANCE_NORM[dims](channels, affine=True)


def activation() -> nn.Module:
    """Return the leaky rectifier of nnU-Net."""
    return nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
