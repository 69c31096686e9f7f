"""Blocks of convolutions, plain and residual."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from segkit.networks.layers import DROPOUT, POOLING, activation, convolution, normalisation


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

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's features."""
        features: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return features


BLOCKS = {"plain": PlainBlock, "residual": ResidualBlock}


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
) -> nn.Sequential:
    """Return one encoder level: downsampling as `pool` says, a block, dropout of whole channels."""
    parts: list[nn.Module] = []
    if pool != "strided" and max(stride) > 1:
        parts.append(POOLING[pool][dims](tuple(stride)))
        stride = (1,) * dims
    parts.append(BLOCKS[block](dims, in_channels, out_channels, kernel, stride, convolutions=convolutions))
    if dropout > 0:
        parts.append(DROPOUT[dims](dropout))
    return nn.Sequential(*parts)
