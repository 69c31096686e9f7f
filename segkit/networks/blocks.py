"""Blocks of convolutions: plain, residual, dense, compact, of several resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from segkit.networks.layers import DROPOUT, POOLING, activation, convolution, normalisation

WIDENED = 1.67  # channels of a block of several resolutions, by those of the plain one with as many weights


class PlainBlock(nn.Sequential):
    """`convolutions` times convolution, instance norm, leaky rectifier.

    Shape: (N, in_channels, *size) to (N, out_channels, *size / stride).
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        convolutions: int,
    ) -> None:
        ones = (1,) * dims
        layers: list[nn.Module] = []
        for index in range(convolutions):
            source, step = (in_channels, stride) if index == 0 else (out_channels, ones)
            layers += [convolution(dims, source, out_channels, kernel, step), normalisation(dims, out_channels)]
            layers += [activation()]
        super().__init__(*layers)
        self.channels = out_channels


class ResidualBlock(nn.Module):
    """A plain block whose last rectifier comes after the shortcut is added (He et al. 2016, CVPR, figure 2).

    The shortcut averages where the block strides and is projected by a 1-voxel convolution where channels change.
    Shape: (N, in_channels, *size) to (N, out_channels, *size / stride).
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        convolutions: int,
    ) -> None:
        super().__init__()
        block = PlainBlock(dims, in_channels, out_channels, kernel, stride, convolutions=convolutions)
        self.body = nn.Sequential(*list(block)[:-1])
        shortcut: list[nn.Module] = []
        if max(stride) > 1:
            shortcut.append(POOLING["average"][dims](tuple(stride), ceil_mode=True))
        if in_channels != out_channels:
            ones = (1,) * dims
            shortcut += [convolution(dims, in_channels, out_channels, ones, ones), normalisation(dims, out_channels)]
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = activation()
        self.channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        features: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return features


class DenseBlock(nn.Module):
    """`convolutions` layers, each of which sees the block's input and what every layer before it made.

    The layers share `out_channels` among them, so that each adds few (the growth rate).
    Shape: (N, in_channels, *size) to (N, in_channels + out_channels, *size / stride).

    Source: Jégou et al. 2017, CVPR Workshops, figure 2; layers are convolution, norm, rectifier as elsewhere here.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        convolutions: int,
    ) -> None:
        super().__init__()
        self.halving, ones = strided(dims, in_channels, kernel, stride), (1,) * dims
        ends = [out_channels * index // convolutions for index in range(convolutions + 1)]
        self.layers = nn.ModuleList(
            PlainBlock(dims, in_channels + start, end - start, kernel, ones, convolutions=1)
            for start, end in pairwise(ends)
        )
        self.channels = in_channels + out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the input beside every layer's features."""
        x = self.halving(x)
        for layer in self.layers:
            x = torch.cat((x, layer(x)), dim=1)
        return x


class CompactBlock(nn.Module):
    """A plain block whose output stands beside its input, which later levels thus see unchanged.

    Shape: (N, in_channels, *size) to (N, in_channels + out_channels, *size / stride).

    Source: Kolařík et al. 2019, Applied Sciences 9(3), 404, figure 3, its residual variant by concatenation.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        convolutions: int,
    ) -> None:
        super().__init__()
        self.halving = strided(dims, in_channels, kernel, stride)
        self.body = PlainBlock(dims, in_channels, out_channels, kernel, (1,) * dims, convolutions=convolutions)
        self.channels = in_channels + out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the input beside the block's features."""
        x = self.halving(x)
        return torch.cat((x, self.body(x)), dim=1)


class MultiResolutionBlock(nn.Module):
    """A chain of convolutions whose outputs, each of a larger field of view, stand side by side, beside a shortcut.

    The chain's `convolutions` have channels in proportion to 1, 2, 3 ..., of 1.67 `out_channels` together.
    Shape: (N, in_channels, *size) to (N, channels, *size / stride), `channels` the block's attribute.

    Source: Ibtehaz and Rahman 2020, Neural Networks 121, figure 3c; three convolutions there, with batch norm.
    """

    def __init__(
        self,
        dims: int,
        in_channels: int,
        out_channels: int,
        kernel: Sequence[int],
        stride: Sequence[int],
        *,
        convolutions: int,
    ) -> None:
        super().__init__()
        self.halving, ones = strided(dims, in_channels, kernel, stride), (1,) * dims
        parts = convolutions * (convolutions + 1) / 2
        widths = [max(1, int(WIDENED * out_channels * (index + 1) / parts)) for index in range(convolutions)]
        self.channels = sum(widths)
        self.chain = nn.ModuleList(
            PlainBlock(dims, source, target, kernel, ones, convolutions=1)
            for source, target in pairwise((in_channels, *widths))
        )
        self.shortcut = nn.Sequential(
            convolution(dims, in_channels, self.channels, ones, ones), normalisation(dims, self.channels)
        )
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of every resolution, the shortcut added."""
        x = self.halving(x)
        shortcut, seen = self.shortcut(x), []
        for layer in self.chain:
            x = layer(x)
            seen.append(x)
        features: Tensor = self.activation(torch.cat(seen, dim=1) + shortcut)
        return features


def strided(dims: int, channels: int, kernel: Sequence[int], stride: Sequence[int]) -> nn.Sequential:
    """Return a convolution that halves, ahead of blocks that keep their input; nothing where no axis is halved."""
    if max(stride) == 1:
        return nn.Sequential()
    return PlainBlock(dims, channels, channels, kernel, stride, convolutions=1)


Block = PlainBlock | ResidualBlock | DenseBlock | CompactBlock | MultiResolutionBlock
BLOCKS: dict[str, type[Block]] = {
    "plain": PlainBlock,
    "residual": ResidualBlock,
    "dense": DenseBlock,
    "compact": CompactBlock,
    "multi_resolution": MultiResolutionBlock,
}


class Level(nn.Sequential):
    """What a U-Net does at one resolution; `channels` is how many it returns."""

    def __init__(self, *parts: nn.Module, channels: int) -> None:
        super().__init__(*parts)
        self.channels = channels


def level(
    dims: int,
    in_channels: int,
    out_channels: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    *,
    block: str,
    pool: str,
    convolutions: int,
    dropout: float,
    blocks: int = 1,
    stem: bool = False,
) -> Level:
    """Return one level: a convolution ahead where `stem`, downsampling as `pool` says, blocks, dropout of channels."""
    parts: list[nn.Module] = []
    channels, ones = in_channels, (1,) * dims
    if stem:
        parts.append(PlainBlock(dims, channels, out_channels, kernel, ones, convolutions=1))
        channels = out_channels
    if pool != "strided" and max(stride) > 1:
        parts.append(POOLING[pool][dims](tuple(stride)))
        stride = ones
    for index in range(blocks):
        step = stride if index == 0 else ones
        made = BLOCKS[block](dims, channels, out_channels, kernel, step, convolutions=convolutions)
        parts.append(made)
        channels = made.channels
    if dropout > 0:
        parts.append(DROPOUT[dims](dropout))
    return Level(*parts, channels=channels)
