"""The U-Net (Ronneberger et al. 2015, MICCAI; in 3D Çiçek et al. 2016; planned as by Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from segkit.foundation.errors import UsageError
from segkit.networks.blocks import level
from segkit.networks.layers import NEGATIVE_SLOPE, TRANSPOSED, convolution


class UNet(nn.Module):
    """An encoder of convolution blocks and pooling, a decoder of transposed convolutions, skips between equal sizes.

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        features: channels per level, finest first; levels beyond `strides` are not built.
        strides: per level, one stride per axis; the first level's are 1.
        kernels: per level, one odd kernel size per axis; None: 3 everywhere.
        block: `plain` or `residual`.
        pool: how a level halves: `strided` convolution, `max` or `average` pooling.
        convolutions: per block.
        dropout: probability that a channel is dropped after a block.
        deep_supervision: whether training returns the coarser decoder levels' logits too.

    Raises:
        UsageError: when `strides` has more levels than `features`, or other levels than `kernels`, or a kernel is even.

    Shape:
        input (N, C, *size), each size a multiple of the product of the strides along its axis;
        output (N, K, *size); with deep supervision and in training a list, finest first.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        features: Sequence[int],
        strides: Sequence[Sequence[int]],
        kernels: Sequence[Sequence[int]] | None = None,
        block: Literal["plain", "residual"] = "plain",
        pool: Literal["strided", "max", "average"] = "strided",
        convolutions: int = 2,
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        if len(features) < len(strides):
            raise UsageError(f"network.features has {len(features)} levels, the plan's strides {len(strides)}")
        features, ones = list(features)[: len(strides)], (1,) * dims
        kernels = kernels or [(3,) * dims] * len(strides)
        if len(kernels) != len(strides) or any(size % 2 == 0 for kernel in kernels for size in kernel):
            raise UsageError(f"network.kernels: {kernels} are not odd sizes for {len(strides)} levels")

        def block_of(source: int, target: int, kernel: Sequence[int], stride: Sequence[int]) -> nn.Sequential:
            how = {"block": block, "pool": pool, "convolutions": convolutions, "dropout": dropout}
            return level(dims, source, target, kernel, stride, **how)  # type: ignore[arg-type]

        sources = [in_channels, *features]
        self.encoder = nn.ModuleList(map(block_of, sources, features, kernels, strides))
        self.upsamplers, self.decoder, self.heads = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for depth in reversed(range(len(features) - 1)):
            fine, coarse, stride = features[depth], features[depth + 1], tuple(strides[depth + 1])
            self.upsamplers.append(TRANSPOSED[dims](coarse, fine, stride, stride))
            self.decoder.append(block_of(2 * fine, fine, kernels[depth], ones))
            if depth == 0 or deep_supervision:
                self.heads.append(convolution(dims, fine, out_channels, ones, ones, bias=True))
        if len(features) == 1:
            self.heads.append(convolution(dims, features[0], out_channels, ones, ones, bias=True))
        self.deep_supervision = deep_supervision
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return logits; with deep supervision and in training those of every decoder level, finest first."""
        skips = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        outputs, x = [], skips.pop()
        for index, (upsample, decode) in enumerate(zip(self.upsamplers, self.decoder, strict=True)):
            x = decode(torch.cat((upsample(x), skips.pop()), dim=1))
            if self.deep_supervision and self.training:
                outputs.append(self.heads[index](x))
        if outputs:
            return outputs[::-1]
        logits: Tensor = self.heads[-1](x)
        return logits


def initialise(module: nn.Module) -> None:
    """Draw convolution weights as He et al. (2015) for a leaky rectifier; biases start at zero."""
    if isinstance(module, (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
