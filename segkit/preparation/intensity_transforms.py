"""MONAI's door in preparation: the user's intensity transforms, which may not move a voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import UsageError
from segkit.foundation.strangers import resolve_target
from segkit.volumes.grid import Grid


def apply_transforms(
    array: NDArray[np.float32], grid: Grid, transforms: Sequence[Mapping[str, Any]]
) -> NDArray[np.float32]:
    """Apply MONAI transforms one after another to a case's image.

    Args:
        array: shape (C, X, Y, Z), normalised.
        grid: its grid; the transforms see its affine.
        transforms: `_target_` mappings; dictionary transforms get the key `image`, array transforms the array.

    Returns:
        float32 of the same shape.

    Raises:
        UsageError: when a transform changes shape or affine; orientation and resampling belong to the plan.
    """
    from monai.data import MetaTensor
    from monai.transforms import MapTransform

    image: Any = MetaTensor(np.ascontiguousarray(array), affine=grid.affine)
    for index, mapping in enumerate(transforms):
        transform = build_transform(mapping)
        image = transform({"image": image})["image"] if isinstance(transform, MapTransform) else transform(image)
        moved = np.abs(np.asarray(getattr(image, "affine", grid.affine)) - grid.affine).max() > 0
        if tuple(image.shape) != array.shape or moved:
            raise UsageError(
                f"preprocessing.transforms[{index}]: {mapping['_target_']} changes shape or affine; only intensities "
                "may change here, since orientation, cropping and spacing belong to the plan"
            )
    return np.asarray(image, dtype=np.float32)


def build_transform(mapping: Mapping[str, Any]) -> Any:
    """Build a transform from its `_target_` and arguments; those of a stranger's plan pass `check_transforms` first."""
    from hydra.utils import get_class

    return get_class(mapping["_target_"])(**{name: value for name, value in mapping.items() if name != "_target_"})


def check_transforms(transforms: Sequence[Mapping[str, Any]], trust: Sequence[str]) -> None:
    """Refuse a stranger's transforms that are not transforms of an allowed package.

    Raises:
        UsageError: when a package is not allowed; nothing was imported then.
        DataError: when a target is no transform, or one that reads, writes, downloads or takes a callable.
    """
    if not transforms:
        return
    from monai.transforms import Transform

    for index, mapping in enumerate(transforms):
        options = {name: value for name, value in mapping.items() if name != "_target_"}
        slot = f"preprocessing.transforms[{index}]"
        resolve_target(str(mapping.get("_target_")), roles=(Transform,), trust=trust, slot=slot, arguments=options)
