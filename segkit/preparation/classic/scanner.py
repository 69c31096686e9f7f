"""What a scanner left in the intensities: a slow field of sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing, as_itk, from_itk, imported

BINS = 200  # of Otsu's histogram
PURPOSE = "BiasFieldCorrection"


class BiasFieldCorrection(ChannelTransform):
    """N4: divide an MR image by the smooth field that a coil's sensitivity multiplied it with.

    The field is estimated where Otsu's threshold finds anatomy, on a coarser image, and removed at full resolution.
    Intensities are taken as they are stored, so it belongs to `preprocessing.on_scan`; where some are negative, the
    lowest counts as zero.

    Args:
        shrink: factor by which the image is coarser along each axis while the field is estimated.
        iterations: most of them at each of the levels of the field, coarse to fine.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        MissingExtraError: on use, without SimpleITK.

    Source: Tustison et al. 2010, IEEE Transactions on Medical Imaging 29, "N4ITK".
    """

    def __init__(
        self, shrink: int = 4, iterations: Sequence[int] = (50, 50, 50, 50), channels: Sequence[int] | None = None
    ) -> None:
        super().__init__(channels)
        self.shrink, self.iterations = int(shrink), [int(each) for each in iterations]

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel without its field; an image of one intensity stays."""
        if values.min() == values.max():
            return values
        itk = imported("SimpleITK", "SimpleITK", PURPOSE)
        base = min(0.0, float(values.min()))
        image = as_itk(values - base, spacing, PURPOSE)
        field = self.log_field(itk, image)
        corrected = itk.Divide(image, itk.Exp(itk.Cast(field, itk.sitkFloat32)))
        return from_itk(corrected, values.shape) + np.float32(base)

    def log_field(self, itk: Any, image: Any) -> Any:
        """Return the logarithm of the field of a SimpleITK image, on its own grid."""
        mask = itk.OtsuThreshold(image, 0, 1, BINS)
        factors = [max(1, min(self.shrink, size // 4)) for size in image.GetSize()]
        corrector = itk.N4BiasFieldCorrectionImageFilter()
        corrector.SetMaximumNumberOfIterations(self.iterations)
        corrector.Execute(itk.Shrink(image, factors), itk.Shrink(mask, factors))
        return corrector.GetLogBiasFieldAsImage(image)
