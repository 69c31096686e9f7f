"""MONAI's networks behind segkit's contract: `(in_channels, out_channels, dims)`, a list of logits, sizes they take.

MONAI is imported when one is built: that takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from segkit.foundation.errors import UsageError
from segkit.networks.unet import check_reaches

RESNET_BLOCKS = (1, 2, 2, 4)
MEDNEXT_BLOCKS = (2, 2, 2, 2)


class MonaiNetwork(nn.Module):
    """A network of MONAI.

    A subclass that halves every axis of a patch a fixed number of times states it by `halvings`, a function of the
    yaml's options; the planner then keeps to multiples of it, and other patches are refused. One without takes the
    plan's strides.

    Args:
        network: (N, C, *size) to logits (N, K, *size); in training perhaps to several, finest first.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return logits; with deep supervision and in training a list, finest first."""
        outputs = self.network(x)
        return outputs if isinstance(outputs, Tensor) else list(outputs)


class DynUNet(MonaiNetwork):
    """MONAI's U-Net after nnU-Net, with the plan's strides and kernels.

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        features: channels per level, finest first; levels beyond `strides` are not built.
        strides: per level, one stride per axis; the first level's are 1.
        kernels: per level, one odd kernel size per axis.
        residual: whether blocks are residual.
        dropout: probability that a channel is dropped after a convolution.
        deep_supervision: whether training returns the logits of coarser levels too, all but the two coarsest.

    Raises:
        UsageError: when there are fewer than three levels, or more than `features`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        features: Sequence[int],
        strides: Sequence[Sequence[int]],
        kernels: Sequence[Sequence[int]],
        residual: bool = False,
        dropout: float = 0.0,
        deep_supervision: bool = False,
    ) -> None:
        from monai.networks.nets import DynUNet as Network

        need_levels("DynUNet", strides, features, least=3)
        super().__init__(
            Network(
                dims,
                in_channels,
                out_channels,
                kernel_size=kernels,
                strides=strides,
                upsample_kernel_size=strides[1:],
                filters=list(features),
                dropout=dropout or None,
                res_block=residual,
                deep_supervision=deep_supervision,
                deep_supr_num=len(strides) - 2,
            )
        )

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return logits; with deep supervision and in training those of each level at its own size, finest first."""
        # MONAI's own forward interpolates them to full size and stacks them, for TorchScript's sake.
        network: Any = self.network
        finest: Tensor = network.output_block(network.skip_layers(x))
        if not network.deep_supervision:
            return finest
        coarser = list(network.heads)
        network.heads[:] = [finest.new_empty(0)] * len(coarser)  # kept, they would outlive the step; copies would fail
        return [finest, *coarser] if self.training else finest


class AttentionUnet(MonaiNetwork):
    """MONAI's U-Net with attention gates at the skip's own size and batch norm (Oktay et al. 2018, MIDL).

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        features: channels per level, finest first; levels beyond `strides` are not built.
        strides: per level, one stride per axis; the first level's are 1.
        dropout: probability that a value is dropped after a convolution.

    Raises:
        UsageError: when there are fewer than two levels, or more than `features`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        features: Sequence[int],
        strides: Sequence[Sequence[int]],
        dropout: float = 0.0,
    ) -> None:
        from monai.networks.nets import AttentionUnet as Network

        need_levels("AttentionUnet", strides, features, least=2)
        steps: Any = [tuple(level) for level in strides[1:]]  # MONAI says int, and takes one per axis
        super().__init__(
            Network(dims, in_channels, out_channels, list(features)[: len(strides)], steps, dropout=dropout)
        )


class SegResNet(MonaiNetwork):
    """MONAI's residual encoder and decoder (Myronenko 2018, BrainLes), without its autoencoder branch.

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        init_filters: channels of the finest level, a multiple of 8; each coarser level has twice as many.
        blocks_down: blocks per encoder level, finest first; all but the first level halve every axis.
        blocks_up: blocks per decoder level, coarsest first; one level less.
        dropout: probability that a channel is dropped after the first convolution.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        init_filters: int = 16,
        blocks_down: Sequence[int] = RESNET_BLOCKS,
        blocks_up: Sequence[int] = (1, 1, 1),
        dropout: float = 0.0,
    ) -> None:
        from monai.networks.nets import SegResNet as Network

        if len(blocks_up) != len(blocks_down) - 1:
            raise UsageError(
                f"network.blocks_up has {len(blocks_up)} levels, network.blocks_down {len(blocks_down)}, not one more"
            )
        super().__init__(
            Network(
                dims,
                init_filters,
                in_channels,
                out_channels,
                dropout_prob=dropout or None,
                blocks_down=tuple(blocks_down),
                blocks_up=tuple(blocks_up),
            )
        )

    @staticmethod
    def halvings(options: Mapping[str, Any]) -> int:
        """Return how often every axis is halved."""
        return len(options.get("blocks_down", RESNET_BLOCKS)) - 1


class MedNeXt(MonaiNetwork):
    """MONAI's U-Net of depthwise convolutions and inverted bottlenecks (Roy et al. 2023, MICCAI).

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        init_filters: channels of the finest level; each coarser level has twice as many.
        kernel_size: of the depthwise convolutions, 3 or 5.
        encoder_expansion: channels inside a block, in its own; a number per encoder level, finest first.
        decoder_expansion: likewise, coarsest first.
        bottleneck_expansion: likewise, of the coarsest level.
        blocks_down: blocks per encoder level, each of which ends by halving every axis.
        blocks_bottleneck: blocks of the coarsest level.
        blocks_up: blocks per decoder level, coarsest first.
        deep_supervision: whether training returns the coarser levels' logits too.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        init_filters: int = 32,
        kernel_size: int = 3,
        encoder_expansion: Sequence[int] = (2, 2, 2, 2),
        decoder_expansion: Sequence[int] = (2, 2, 2, 2),
        bottleneck_expansion: int = 2,
        blocks_down: Sequence[int] = MEDNEXT_BLOCKS,
        blocks_bottleneck: int = 2,
        blocks_up: Sequence[int] = MEDNEXT_BLOCKS,
        deep_supervision: bool = False,
    ) -> None:
        from monai.networks.nets import MedNeXt as Network

        for name, given in (("encoder_expansion", encoder_expansion), ("decoder_expansion", decoder_expansion)):
            if len(given) != len(blocks_down) or len(blocks_up) != len(blocks_down):
                raise UsageError(f"network.{name}, blocks_up and blocks_down do not have the same number of levels")
        super().__init__(
            Network(
                dims,
                init_filters,
                in_channels,
                out_channels,
                encoder_expansion,
                decoder_expansion,
                bottleneck_expansion,
                kernel_size,
                deep_supervision,
                use_residual_connection=True,
                blocks_down=blocks_down,
                blocks_bottleneck=blocks_bottleneck,
                blocks_up=blocks_up,
            )
        )

    @staticmethod
    def halvings(options: Mapping[str, Any]) -> int:
        """Return how often every axis is halved."""
        return len(options.get("blocks_down", MEDNEXT_BLOCKS))


def need_levels(name: str, strides: Sequence[Sequence[int]], features: Sequence[int], *, least: int) -> None:
    """Make sure that a network gets the levels that it needs.

    Raises:
        UsageError: when the plan has fewer than `least`, or more than there are `features`.
    """
    if len(strides) < least:
        raise UsageError(
            f"network: MONAI's {name} needs {least} levels or more, and the plan's patch allows {len(strides)}: pass a "
            "larger plan.patch, or network=unet"
        )
    check_reaches("features", features, strides)
