"""Our readers at MONAI's door: `LoadImaged(keys, reader=VolumeReader)`."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from monai.utils.enums import MetaKeys, SpaceKeys
from numpy.typing import NDArray

from segkit.volumes.reading import is_volume, read
from segkit.volumes.volume import Volume

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


class VolumeReader(ImageReader):  # type: ignore[misc]
    """Read every format of segkit inside MONAI's `LoadImage` and `LoadImaged`.

    What comes out is channel-first already, (C, X, Y[, Z]); `ensure_channel_first=True` leaves it as it is. The
    metadata's `affine` and `original_affine` are the volume's own: 4x4, voxel index of the array to RAS+ mm, for 2D
    too; no axis is swapped or flipped on the way (MONAI's ITK and Pillow readers transpose or reverse). Several paths
    are the channels of one case and must share one grid.

    Example:
        >>> LoadImaged(keys=["image", "reference"], reader=VolumeReader)({"image": "a.nii.gz", "reference": "b.nrrd"})
    """

    def verify_suffix(self, filename: Paths) -> bool:
        """Tell whether all paths look like volumes, by suffix or content."""
        return all(is_volume(path) for path in _each(filename))

    def read(self, data: Paths, **_: Any) -> list[Volume]:
        """Read the volumes.

        Args:
            data: one path or several; a folder is a DICOM series.

        Returns:
            One volume for each path.

        Raises:
            DataError: when one cannot be read. MONAI wraps it in a RuntimeError that ends with its message.
        """
        return [read(path) for path in _each(data)]

    def get_data(self, img: Sequence[Volume]) -> tuple[NDArray[Any], dict[str, Any]]:
        """Join volumes to one array.

        Args:
            img: what `read` returned.

        Returns:
            The array (C, X, Y[, Z]) and the metadata that MONAI's transforms use.

        Raises:
            GeometryError: when several volumes differ in shape or affine.
        """
        first = img[0]
        for other in img[1:]:
            other.grid.check_same_as(first.grid, what=f"the channels {first.source.path} and {other.source.path}")
        metadata = {
            MetaKeys.AFFINE: np.array(first.affine),
            MetaKeys.ORIGINAL_AFFINE: np.array(first.affine),
            MetaKeys.SPATIAL_SHAPE: np.array(first.grid.shape),
            MetaKeys.ORIGINAL_CHANNEL_DIM: 0,
            MetaKeys.SPACE: SpaceKeys.RAS,
        }
        return (first.array if len(img) == 1 else np.concatenate([one.array for one in img])), metadata


def _each(paths: Paths) -> list[str | PathLike[str]]:
    return [paths] if isinstance(paths, str | PathLike) else list(paths)
