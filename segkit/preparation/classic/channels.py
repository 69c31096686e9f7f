"""What the transforms here share: channels one by one, the voxel's size, packages that only they need."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.transforms import Transform
from numpy.typing import NDArray

from segkit.foundation.errors import MissingExtraError, UsageError
from segkit.volumes.grid import Grid

FloatArray = NDArray[np.float32]
Spacing = tuple[float, float, float]
EXTRA = "classic"


class ChannelTransform(Transform):  # type: ignore[misc]  # MONAI's annotations are not followed
    """Changes channels of an image one by one; shape and affine stay.

    Args:
        channels: array channels that are changed, from 0; None: all.
    """

    def __init__(self, channels: Sequence[int] | None = None) -> None:
        self.channels = None if channels is None else [int(channel) for channel in channels]

    def __call__(self, image: Any) -> Any:
        """Return an image (C, X, Y, Z), an array, tensor or MetaTensor, with its channels changed.

        Raises:
            UsageError: when it has no such channel.
        """
        from monai.utils import convert_to_dst_type

        values = np.array(image.numpy() if hasattr(image, "numpy") else image, dtype=np.float32)
        chosen = list(range(len(values))) if self.channels is None else self.channels
        if any(channel not in range(len(values)) for channel in chosen):
            raise UsageError(f"{type(self).__name__}: channels {chosen} of an image that has {len(values)}")
        self.change(values, chosen, spacing_of(image))
        return convert_to_dst_type(values, image, dtype=np.float32)[0]

    def change(self, values: FloatArray, channels: Sequence[int], spacing: Spacing) -> None:
        """Change some channels of an image (C, X, Y, Z) in place."""
        for channel in channels:
            values[channel] = self.changed(values[channel], spacing)

    @abstractmethod
    def changed(self, values: FloatArray, spacing: Spacing) -> NDArray[Any]:
        """Return one channel (X, Y, Z) changed; `spacing` in mm per axis."""


def spacing_of(image: Any) -> Spacing:
    """Return the mm between voxels of a MetaTensor along each axis; 1 where nothing is known."""
    affine = getattr(image, "affine", None)
    if affine is None:
        return 1.0, 1.0, 1.0
    x, y, z = Grid((1, 1, 1), np.asarray(affine, dtype=np.float64)).spacing  # a picture too has three
    return x, y, z


def imported(module: str, package: str, purpose: str) -> Any:
    """Import a module of a package that `segkit[classic]` brings.

    Raises:
        MissingExtraError: when it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(package, EXTRA, purpose) from error


def as_itk(values: NDArray[Any], spacing: Spacing, purpose: str) -> Any:
    """Return an array (X, Y, Z) as SimpleITK's image, a picture (Z of one voxel) as one of two axes."""
    itk = imported("SimpleITK", "SimpleITK", purpose)
    seen = [axis for axis in range(values.ndim) if values.shape[axis] > 1] or [0, 1]
    image = itk.GetImageFromArray(np.ascontiguousarray(values.squeeze() if len(seen) < values.ndim else values).T)
    image.SetSpacing([spacing[axis] for axis in seen])
    return image


def from_itk(image: Any, shape: Sequence[int]) -> FloatArray:
    """Return a SimpleITK image as an array of the given shape (X, Y, Z)."""
    itk = imported("SimpleITK", "SimpleITK", "an image of SimpleITK")
    return np.asarray(itk.GetArrayFromImage(image), dtype=np.float32).T.reshape(shape)
