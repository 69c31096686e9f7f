"""The U-Net (Ronneberger et al. 2015, MICCAI; in 3D Çiçek et al. 2016; planned as by Isensee et al. 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from segkit.foundation.errors import UsageError
from segkit.networks.blocks import BlockShape, level
from segkit.networks.layers import NEGATIVE_SLOPE, TRANSPOSED, convolution
from segkit.networks.skips import LONGEST_PATH, AttentionGate, ResidualPath

FEATURES = (32, 64, 128, 256, 320, 320)  # per level (Isensee et al. 2021)


class UNet(nn.Module):
    """An encoder of convolution blocks and pooling, a decoder of transposed convolutions, skips between equal sizes.

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        features: channels per level, finest first; levels beyond `strides` are not built. None: nnU-Net's.
        strides: per level, one stride per axis; the first level's are 1.
        kernels: per level, one odd kernel size per axis; None: 3 everywhere.
        block: of the encoder: `plain`, `residual`, `dense`, `compact` or `multi_resolution`.
        pool: how a level halves: `strided` convolution, `max` or `average` pooling.
        convolutions: per block.
        blocks: per encoder level, finest first; None: one each.
        stem: whether a convolution of the finest level's channels comes ahead of its blocks.
        decoder_block: None: as `block`.
        decoder_convolutions: per block; None: as `convolutions`.
        skips: `plain` ones, weighed by `attention` gates, or `residual_path` convolutions.
        dropout: probability that a channel is dropped after a level's blocks.
        deep_supervision: whether training returns the coarser decoder levels' logits too.

    Raises:
        UsageError: when `features` or `blocks` has fewer levels than `strides`, or `kernels` another number, or a
            kernel is even.

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
        features: Sequence[int] | None = None,
        strides: Sequence[Sequence[int]],
        kernels: Sequence[Sequence[int]] | None = None,
        block: Literal["plain", "residual", "dense", "compact", "multi_resolution"] = "plain",
        pool: Literal["strided", "max", "average"] = "strided",
        convolutions: int = 2,
        blocks: Sequence[int] | None = None,
        stem: bool = False,
        decoder_block: Literal["plain", "residual", "dense", "compact", "multi_resolution"] | None = None,
        decoder_convolutions: int | None = None,
        skips: Literal["plain", "attention", "residual_path"] = "plain",
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        features = FEATURES if features is None else features
        kernels = kernels or [(3,) * dims] * len(strides)
        blocks = blocks or [1] * len(strides)
        check_levels(features, strides, kernels, blocks)
        ones, coarser, widths = (1,) * dims, in_channels, []
        self.encoder, self.upsamplers, self.decoder = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        self.heads, self.skips = nn.ModuleList(), nn.ModuleList()
        for depth, (kernel, stride) in enumerate(zip(kernels, strides, strict=True)):
            shape = BlockShape(dims, coarser, features[depth], kernel, stride, convolutions)
            has_stem = stem and depth == 0
            encode = level(shape, block=block, pool=pool, dropout=dropout, blocks=blocks[depth], stem=has_stem)
            self.encoder.append(encode)
            coarser = encode.channels
            widths.append(coarser)
        decoder_convolutions = decoder_convolutions or convolutions
        for depth in reversed(range(len(strides) - 1)):
            fine, kernel, stride = features[depth], kernels[depth], tuple(strides[depth + 1])
            beside = widths[depth]
            if skips != "plain":
                skip = skip_of(skips, dims, beside, coarser, fine, kernel, stride, depth)
                self.skips.append(skip)
                beside = skip.channels
            self.upsamplers.append(TRANSPOSED[dims](coarser, fine, stride, stride))
            shape = BlockShape(dims, fine + beside, fine, kernel, ones, decoder_convolutions)
            decode = level(shape, block=decoder_block or block, pool=pool, dropout=dropout)
            self.decoder.append(decode)
            coarser = decode.channels
            if depth == 0 or deep_supervision:  # a head that nothing is asked of would be in every checkpoint
                self.heads.append(convolution(dims, coarser, out_channels, ones, ones, bias=True))
        if len(strides) == 1:  # no decoder whose finest level could have one
            self.heads.append(convolution(dims, coarser, out_channels, ones, ones, bias=True))
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
            if self.skips:
                skips[-1] = self.skips[index](skips[-1], x)
            x = decode(torch.cat((upsample(x), skips.pop()), dim=1))
            if self.deep_supervision and self.training:
                outputs.append(self.heads[index](x))
        if outputs:
            return outputs[::-1]
        logits: Tensor = self.heads[-1](x)
        return logits


def check_levels(
    features: Sequence[int], strides: Sequence[Sequence[int]], kernels: Sequence[Sequence[int]], blocks: Sequence[int]
) -> None:
    """Make sure that there is something of everything for each level.

    Raises:
        UsageError: naming the key that does not fit.
    """
    check_reaches("features", features, strides)
    check_reaches("blocks", blocks, strides)
    if len(kernels) != len(strides) or any(size % 2 == 0 for kernel in kernels for size in kernel):
        raise UsageError(f"network.kernels: {kernels} are not odd sizes for {len(strides)} levels")


def check_reaches(key: str, given: Sequence[int], strides: Sequence[Sequence[int]]) -> None:
    """Make sure that there is a number for each level.

    Raises:
        UsageError: when `network.KEY` has fewer levels than the plan's strides.
    """
    if len(given) < len(strides):
        raise UsageError(f"network.{key} has {len(given)} levels, the plan's strides {len(strides)}")


def skip_of(
    kind: str,
    dims: int,
    channels: int,
    coarser: int,
    features: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    depth: int,
) -> AttentionGate | ResidualPath:
    """Return the skip of a level: of `channels`, with `coarser` channels one `stride` below it."""
    if kind == "attention":
        return AttentionGate(dims, channels, coarser, stride)
    return {"residual_path": ResidualPath}[kind](dims, channels, features, kernel, max(1, LONGEST_PATH - depth))


def initialise(module: nn.Module) -> None:
    """Draw convolution weights as He et al. (2015) for a leaky rectifier; biases start at zero.

    Weights without numbers are left alone: to draw none PyTorch would import its whole compiler.
    """
    convolutions = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    if isinstance(module, convolutions) and not module.weight.is_meta:
        nn.init.kaiming_normal_(module.weight, a=NEGATIVE_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
