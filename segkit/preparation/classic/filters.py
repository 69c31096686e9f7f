"""Filters of noise, of shapes and of vessels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed
from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing, as_itk, from_itk, imported

OPERATIONS = ("erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat")
RIDGES = ("frangi", "sato")


class CurvatureDenoise(ChannelTransform):
    """Smooth noise and keep edges: intensities flow along the curvature of their level sets.

    Args:
        iterations: steps of the flow.
        step: of its time; above 0.0625 in 3D it is not stable.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        MissingExtraError: on use, without SimpleITK.

    Source: Sethian 1996, "Level Set Methods", chapter 16, as SimpleITK's `CurvatureFlow`.
    """

    def __init__(self, iterations: int = 5, step: float = 0.0625, channels: Sequence[int] | None = None) -> None:
        super().__init__(channels)
        self.iterations, self.step = int(iterations), float(step)

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel smoothed."""
        itk = imported("SimpleITK", "SimpleITK", "CurvatureDenoise")
        image = as_itk(values, spacing, "CurvatureDenoise")
        return from_itk(itk.CurvatureFlow(image, self.step, self.iterations), values.shape)


class Morphology(ChannelTransform):
    """A grey-scale operation with a ball: what is smaller than it is removed, or alone kept.

    Args:
        operation: erosion, dilation, opening, closing, white_tophat (small bright things) or black_tophat (small dark).
        radius: of the ball, in voxels.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        UsageError: when the operation does not exist or the radius is below 1.
    """

    def __init__(self, operation: str, radius: int = 1, channels: Sequence[int] | None = None) -> None:
        super().__init__(channels)
        if operation not in OPERATIONS:
            hint = did_you_mean(operation, OPERATIONS)
            raise UsageError(f"Morphology: operation={operation} is not one of {listed(OPERATIONS)}{hint}")
        if radius < 1:
            raise UsageError(f"Morphology: radius={radius}: a ball has a radius of 1 voxel or more")
        self.operation, self.radius = operation, int(radius)

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel after the operation."""
        from scipy import ndimage

        reach = [min(self.radius, size - 1) for size in values.shape]  # a picture has one voxel across
        grid = np.meshgrid(*[np.arange(-far, far + 1) for far in reach], indexing="ij")
        ball = sum(axis**2 for axis in grid) <= self.radius**2
        return np.asarray(getattr(ndimage, self.operation if "tophat" in self.operation else f"grey_{self.operation}")(
            values, footprint=ball
        ))  # fmt: skip


class Vesselness(ChannelTransform):
    """Replace intensities by how much each voxel looks like part of a tube.

    Args:
        radii: of the tubes, in voxels.
        method: `frangi` or `sato`.
        dark: whether vessels are darker than their surroundings.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        UsageError: when the method does not exist.
        MissingExtraError: on use, without scikit-image.

    Source: Frangi et al. 1998, MICCAI; Sato et al. 1998, Medical Image Analysis 2.
    """

    def __init__(
        self,
        radii: Sequence[float] = (1.0, 2.0, 3.0),
        method: str = "frangi",
        dark: bool = False,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(channels)
        if method not in RIDGES:
            raise UsageError(
                f"Vesselness: method={method} is not one of {listed(RIDGES)}{did_you_mean(method, RIDGES)}"
            )
        self.radii, self.method, self.dark = [float(radius) for radius in radii], method, bool(dark)

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return the measure of one channel, 0 or more."""
        ridge = getattr(imported("skimage.filters", "scikit-image", "Vesselness"), self.method)
        found = ridge(np.squeeze(values), sigmas=self.radii, black_ridges=self.dark)
        return np.asarray(found, dtype=np.float32).reshape(values.shape)
