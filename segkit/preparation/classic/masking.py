"""What surrounds the body, taken out of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing, imported


class KeepBody(ChannelTransform):
    """Set everything but the largest thing above a threshold, its holes filled, to one value.

    A table, a headrest or noise in the air is gone then. Where the value is 0, as for MR, the plan crops to the rest.

    Args:
        threshold: in the image's units (HU for CT, e.g. -300); None: Otsu's.
        outside: value of what is taken out; None: the lowest of the image.
        channels: array channels that are changed, from 0, each by its own threshold; None: all.

    Raises:
        MissingExtraError: on use, without scikit-image where no threshold is given.
    """

    def __init__(
        self, threshold: float | None = None, outside: float | None = None, channels: Sequence[int] | None = None
    ) -> None:
        super().__init__(channels)
        self.threshold, self.outside = threshold, outside

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel with its surroundings set to `outside`; an image of one intensity stays."""
        if values.min() == values.max():
            return values
        threshold = threshold_of(values, self.threshold, "KeepBody")
        outside = values.min() if self.outside is None else np.float32(self.outside)
        return np.where(body_of(values > threshold), values, outside).astype(np.float32)


def threshold_of(values: FloatArray, given: float | None, purpose: str) -> float:
    """Return the threshold that was given, or else Otsu's.

    Raises:
        MissingExtraError: without scikit-image where none was given.
    """
    if given is not None:
        return float(given)
    return float(imported("skimage.filters", "scikit-image", purpose).threshold_otsu(values))


def body_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected component of a mask, with what it encloses in 3D or in a plane across any axis."""
    from scipy import ndimage

    body = largest_component(mask)
    for axis in range(mask.ndim):  # the airways open to the outside somewhere, and are holes in most planes
        for plane in range(mask.shape[axis]):
            place = (slice(None),) * axis + (plane,)
            body[place] = ndimage.binary_fill_holes(body[place])
    return body


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest component of voxels that share faces; an empty mask where there is none."""
    from scipy import ndimage

    labelled, count = ndimage.label(mask)
    sizes = np.bincount(labelled.reshape(-1))
    return np.asarray(labelled == 1 + int(np.argmax(sizes[1:])) if count else mask.copy(), dtype=bool)
