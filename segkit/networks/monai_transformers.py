"""MONAI's transformers for segmentation behind segkit's contract; they need einops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from segkit.foundation.errors import MissingExtraError
from segkit.networks.monai_networks import MonaiNetwork


class UNETR(MonaiNetwork):
    """MONAI's vision transformer over blocks of 16 voxels with a convolutional decoder (Hatamizadeh et al. 2022, WACV).

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        patch: voxels per axis of the only images it takes, multiples of 16; the plan's.
        feature_size: channels of the finest decoder level.
        hidden_size: of a token, a multiple of `num_heads`.
        mlp_dim: inside the transformer's perceptrons.
        num_heads: of its attention.
        dropout: probability within the transformer.

    Raises:
        MissingExtraError: without einops.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        patch: Sequence[int],
        feature_size: int = 16,
        hidden_size: int = 768,
        mlp_dim: int = 3072,
        num_heads: int = 12,
        dropout: float = 0.0,
    ) -> None:
        from monai.networks.nets import UNETR as Network  # noqa: N811

        need_einops("network=unetr")
        sizes = {"feature_size": feature_size, "hidden_size": hidden_size, "mlp_dim": mlp_dim, "num_heads": num_heads}
        super().__init__(
            Network(in_channels, out_channels, tuple(patch), dropout_rate=dropout, spatial_dims=dims, **sizes)
        )
        for name, parameter in self.network.named_parameters():
            # MONAI makes them for attention to another input, and never uses them: several GPUs would wait for them.
            parameter.requires_grad_("norm_cross_attn" not in name)

    @staticmethod
    def halvings(options: Mapping[str, Any]) -> int:
        """Return how often every axis is halved."""
        return 4


class SwinUNETR(MonaiNetwork):
    """MONAI's shifted-window transformer with a convolutional decoder (Hatamizadeh et al. 2022, BrainLes).

    Args:
        in_channels: image channels C.
        out_channels: classes K, background included.
        dims: 2 or 3 spatial axes.
        feature_size: channels of the finest level, a multiple of 12.
        depths: transformer blocks per stage, four of them.
        num_heads: of each stage's attention.
        window_size: tokens per axis that attend to each other.
        dropout_path: probability that a transformer block is passed by.
        use_checkpoint: whether activations are computed again in the backward pass, to save memory.
        use_v2: whether a residual convolution opens each stage (He et al. 2023, MICCAI).

    Raises:
        MissingExtraError: without einops.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        dims: int,
        feature_size: int = 24,
        depths: Sequence[int] = (2, 2, 2, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        window_size: int = 7,
        dropout_path: float = 0.0,
        use_checkpoint: bool = False,
        use_v2: bool = False,
    ) -> None:
        from monai.networks.nets import SwinUNETR as Network

        need_einops("network=swin_unetr")
        sizes: dict[str, Any] = {"feature_size": feature_size, "depths": depths, "num_heads": num_heads}
        sizes |= {"window_size": window_size, "dropout_path_rate": dropout_path, "spatial_dims": dims}
        super().__init__(Network(in_channels, out_channels, use_checkpoint=use_checkpoint, use_v2=use_v2, **sizes))

    @staticmethod
    def halvings(options: Mapping[str, Any]) -> int:
        """Return how often every axis is halved."""
        return 5


def need_einops(purpose: str) -> None:
    """Make sure that einops is there; MONAI itself names no extra of segkit.

    Raises:
        MissingExtraError: when it is not installed.
    """
    if find_spec("einops") is None:
        raise MissingExtraError("einops", "transformers", purpose)
