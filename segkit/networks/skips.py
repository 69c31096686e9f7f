"""What a U-Net's skips do beside handing features over: gates that attend, paths of convolutions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segkit.networks.layers import CONVOLUTION, activation, convolution, normalisation

INTERPOLATION = {2: "bilinear", 3: "trilinear"}
LONGEST_PATH = 4  # convolutions of the finest residual path; each coarser one has one less


class AttentionGate(nn.Module):
    """Weighs each voxel of a skip by what the coarser level makes of its surroundings.

    `skip * up(sigmoid(psi(relu(W_x skip + W_g coarse + b))))`: `W_x` strides down to the coarser level's size, whence
    `up` interpolates linearly.
    Shape: skip (N, channels, *size) and coarse (N, gating, *size / stride) to (N, channels, *size).

    Source: Oktay et al. 2018, MIDL, equations 1 and 2; half as many channels inside.
    """

    def __init__(self, dims: int, channels: int, gating: int, stride: Sequence[int]) -> None:
        super().__init__()
        inner, ones = max(1, channels // 2), (1,) * dims
        self.of_skip = CONVOLUTION[dims](channels, inner, tuple(stride), tuple(stride), bias=False)
        self.of_coarse = convolution(dims, gating, inner, ones, ones, bias=True)
        self.score = convolution(dims, inner, 1, ones, ones, bias=True)
        self.mode = INTERPOLATION[dims]
        self.channels = channels

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """Return the skip, weighed."""
        weights = torch.sigmoid(self.score(functional.relu(self.of_skip(skip) + self.of_coarse(coarse))))
        return skip * functional.interpolate(weights, skip.shape[2:], mode=self.mode, align_corners=False)


class ResidualPath(nn.Module):
    """A skip of residual convolutions: an encoder's early features come closer to the decoder's late ones.

    Each step is `rectifier(norm(1-voxel convolution) + rectifier(norm(convolution)))`.
    Shape: skip (N, in_channels, *size) to (N, channels, *size); the coarser level is not looked at.

    Source: Ibtehaz and Rahman 2020, Neural Networks 121, figure 4; with batch norm there.
    """

    def __init__(self, dims: int, in_channels: int, channels: int, kernel: Sequence[int], length: int) -> None:
        super().__init__()
        ones, self.channels = (1,) * dims, channels
        self.bodies, self.shortcuts = nn.ModuleList(), nn.ModuleList()
        for index in range(length):
            source = in_channels if index == 0 else channels
            body, norm = convolution(dims, source, channels, kernel, ones), normalisation(dims, channels)
            self.bodies.append(nn.Sequential(body, norm, activation()))
            shortcut, norm = convolution(dims, source, channels, ones, ones), normalisation(dims, channels)
            self.shortcuts.append(nn.Sequential(shortcut, norm))
        self.activation = activation()

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """Return the skip's features."""
        for body, shortcut in zip(self.bodies, self.shortcuts, strict=True):
            skip = self.activation(body(skip) + shortcut(skip))
        return skip
