"""Contrast where it is locally low."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.foundation.errors import UsageError
from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing, imported


class AdaptiveContrast(ChannelTransform):
    """CLAHE: equalise the histogram in tiles, no bin steeper than a limit; the image keeps its range.

    Args:
        clip: limit of a bin, 0 to 1 as a share of its tile; higher gives more contrast.
        tile: voxels along each side; None: an eighth of the image.
        bins: of the histogram.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        UsageError: when `clip` is not between 0 and 1.
        MissingExtraError: on use, without scikit-image.

    Source: Zuiderveld 1994, Graphics Gems IV, "Contrast Limited Adaptive Histogram Equalization".
    """

    def __init__(
        self, clip: float = 0.01, tile: int | None = None, bins: int = 256, channels: Sequence[int] | None = None
    ) -> None:
        super().__init__(channels)
        if not 0 <= clip <= 1:
            raise UsageError(f"AdaptiveContrast: clip={clip} is not between 0 and 1")
        self.clip, self.tile, self.bins = float(clip), tile, int(bins)

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel equalised; an image of one intensity stays."""
        exposure = imported("skimage.exposure", "scikit-image", "AdaptiveContrast")
        low, high = float(values.min()), float(values.max())
        if low == high:
            return values
        unit = (values - low) / (high - low)
        equal = exposure.equalize_adapthist(np.squeeze(unit), self.tile, self.clip, self.bins).reshape(values.shape)
        return np.asarray(equal * (high - low) + low, dtype=np.float32)
