"""Blocks of convolutions: plain, residual, dense, compact, of several resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from segkit.networks.layers import DROPOUT, POOLING, activation, convolution, normalisation

WIDENED = 1.67  # channels of a block of several resolutions, by those of the plain one with as many weights


@dataclass(frozen=True)
class BlockShape:
    """What a block is to make of what.

    Attributes:
        dims: 2 or 3 spatial axes.
        in_channels: of its input.
        out_channels: that are asked for; how many it returns is its attribute `channels`.
        kernel: odd size in voxels per axis.
        stride: of its first convolution, voxels per axis.
        convolutions: one after the other.
    """

    dims: int
    in_channels: int
    out_channels: int
    kernel: Sequence[int]
    stride: Sequence[int]
    convolutions: int

    @property
    def ones(self) -> tuple[int, ...]:
        """A kernel of one voxel, or a stride that halves nothing."""
        return (1,) * self.dims

    def layer(self, in_channels: int, out_channels: int) -> PlainBlock:
        """Return one convolution, norm and rectifier that keep the size."""
        return PlainBlock(BlockShape(self.dims, in_channels, out_channels, self.kernel, self.ones, 1))


class PlainBlock(nn.Sequential):
    """`convolutions` times convolution, instance norm, leaky rectifier.

    Shape: (N, in_channels, *size) to (N, out_channels, *size / stride).
    """

    def __init__(self, shape: BlockShape) -> None:
        dims, channels = shape.dims, shape.out_channels
        layers: list[nn.Module] = []
        for index in range(shape.convolutions):
            source, step = (shape.in_channels, shape.stride) if index == 0 else (channels, shape.ones)
            layers += [convolution(dims, source, channels, shape.kernel, step), normalisation(dims, channels)]
            layers += [activation()]
        super().__init__(*layers)
        self.channels = channels


class ResidualBlock(nn.Module):
    """A plain block whose last rectifier comes after the shortcut is added (He et al. 2016, CVPR, figure 2).

    The shortcut averages where the block strides and is projected by a 1-voxel convolution where channels change.
    Shape: (N, in_channels, *size) to (N, out_channels, *size / stride).
    """

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.body = nn.Sequential(*list(PlainBlock(shape))[:-1])
        shortcut: list[nn.Module] = []
        if max(shape.stride) > 1:
            shortcut.append(POOLING["average"][shape.dims](tuple(shape.stride), ceil_mode=True))
        if shape.in_channels != shape.out_channels:
            shortcut += projection(shape.dims, shape.in_channels, shape.out_channels)
        self.shortcut = nn.Sequential(*shortcut)
        self.activation = activation()
        self.channels = shape.out_channels

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

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.halving = halving(shape)
        ends = [shape.out_channels * index // shape.convolutions for index in range(shape.convolutions + 1)]
        self.layers = nn.ModuleList(
            shape.layer(shape.in_channels + start, end - start) for start, end in pairwise(ends)
        )
        self.channels = shape.in_channels + shape.out_channels

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

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.halving = halving(shape)
        self.body = PlainBlock(replace(shape, stride=shape.ones))
        self.channels = shape.in_channels + shape.out_channels

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

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.halving = halving(shape)
        shares = range(1, shape.convolutions + 1)
        widths = [max(1, int(WIDENED * shape.out_channels * share / sum(shares))) for share in shares]
        self.channels = sum(widths)
        self.chain = nn.ModuleList(
            shape.layer(source, target) for source, target in pairwise((shape.in_channels, *widths))
        )
        self.shortcut = nn.Sequential(*projection(shape.dims, shape.in_channels, self.channels))
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


def halving(shape: BlockShape) -> nn.Sequential:
    """Return a convolution that halves, ahead of blocks that keep their input; nothing where no axis is halved."""
    if max(shape.stride) == 1:
        return nn.Sequential()
    return PlainBlock(replace(shape, out_channels=shape.in_channels, convolutions=1))


def projection(dims: int, in_channels: int, out_channels: int) -> list[nn.Module]:
    """Return what brings a shortcut to other channels: a convolution of one voxel, and a norm."""
    ones = (1,) * dims
    return [convolution(dims, in_channels, out_channels, ones, ones), normalisation(dims, out_channels)]


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


def level(shape: BlockShape, *, block: str, pool: str, dropout: float, blocks: int = 1, stem: bool = False) -> Level:
    """Return one level of a U-Net.

    Args:
        shape: of its first block.
        block: a key of `BLOCKS`.
        pool: how it halves where `shape` strides: `strided` convolution, `max` or `average` pooling.
        dropout: probability that a channel is dropped after the blocks.
        blocks: how many.
        stem: whether a convolution to `out_channels` comes ahead of all.
    """
    parts: list[nn.Module] = []
    if stem:
        parts.append(shape.layer(shape.in_channels, shape.out_channels))
        shape = replace(shape, in_channels=shape.out_channels)
    if pool != "strided" and max(shape.stride) > 1:
        parts.append(POOLING[pool][shape.dims](tuple(shape.stride)))
        shape = replace(shape, stride=shape.ones)
    for _ in range(blocks):
        made = BLOCKS[block](shape)
        parts.append(made)
        shape = replace(shape, in_channels=made.channels, stride=shape.ones)
    if dropout > 0:
        parts.append(DROPOUT[shape.dims](dropout))
    return Level(*parts, channels=shape.in_channels)
