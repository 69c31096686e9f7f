"""MONAI's door in preparation: the user's intensity transforms, which may not move a voxel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from segkit.config.commands import InspectConfig, PrepareConfig, TrainConfig
from segkit.config.targets import import_target
from segkit.foundation.building import TARGET, arguments_of, build
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.strangers import resolve_target
from segkit.preparation.scans import Scan
from segkit.volumes.grid import Grid

Config = TypeVar("Config", TrainConfig, PrepareConfig, InspectConfig)
BEFORE, AFTER = "preprocessing.on_scan", "preprocessing.transforms"


def apply_transforms(
    array: NDArray[Any], grid: Grid, transforms: Sequence[Mapping[str, Any]], key: str = AFTER
) -> NDArray[np.float32]:
    """Apply MONAI transforms one after another to a case's image.

    Args:
        array: shape (C, X, Y, Z), normalised, or of `preprocessing.on_scan` as it is stored.
        grid: its grid; the transforms see its affine.
        transforms: `_target_` mappings; dictionary transforms get the key `image`, array transforms the array.
        key: where they stand in the config, for errors.

    Returns:
        float32 of the same shape.

    Raises:
        UsageError: when a transform changes shape or affine, or is random.
    """
    from monai.data import MetaTensor
    from monai.transforms import MapTransform, Randomizable

    for index, mapping in enumerate(transforms):
        slot = f"{key}[{index}]: {mapping['_target_']}"
        transform = build(mapping)
        if isinstance(transform, Randomizable):
            raise UsageError(f"{slot} is random; it belongs to augmentation.transforms")
        # Wrapped anew each time: a transform may return a bare array, and the next one could then move it unseen.
        values = np.ascontiguousarray(array, dtype=np.float32)
        before: Any = MetaTensor(values, affine=grid.affine.copy())
        after = transform({"image": before})["image"] if isinstance(transform, MapTransform) else transform(before)
        if tuple(after.shape) != array.shape or not np.array_equal(getattr(after, "affine", grid.affine), grid.affine):
            raise UsageError(
                f"{slot} changes shape or affine; only intensities may change here, since orientation, cropping and "
                "spacing belong to the plan"
            )
        array = np.asarray(after, dtype=np.float32)
    return array


def on_scan(scan: Scan, transforms: Sequence[Mapping[str, Any]]) -> Scan:
    """Return a scan as `preprocessing.on_scan` leaves it: everything else, statistics too, sees it so.

    Raises:
        UsageError: when a transform changes shape or affine, or is random.
        DataError: when values are no longer finite.
    """
    if not transforms:
        return scan
    array = apply_transforms(scan.array, scan.grid, transforms, BEFORE)
    if not np.isfinite(array).all():
        raise DataError(f"{BEFORE} leaves NaN or infinite values")
    return replace(scan, array=array)


def check_transforms(
    transforms: Sequence[Mapping[str, Any]], trust: Sequence[str], *also: type, key: str = AFTER
) -> None:
    """Refuse a stranger's transforms that are not MONAI transforms, or of the classes `also`, of an allowed package.

    Raises:
        UsageError: when a package is not allowed; nothing was imported then.
        DataError: when a target is no transform, or one that reads, writes, downloads or takes a callable.
    """
    if not transforms:
        return
    from monai.transforms import Transform

    for index, mapping in enumerate(transforms):
        slot = f"{key}[{index}]"
        if not isinstance(mapping, Mapping):
            raise DataError(f"{slot}: {str(mapping)[:100]!r} is not a mapping with a _target_")
        target = str(mapping.get("_target_"))
        resolve_target(target, roles=(Transform, *also), trust=trust, slot=slot, arguments=arguments_of(mapping))


def portable(config: Config) -> Config:
    """Return a command's config whose transforms hold what they learn from files in place of the paths.

    A class that learns from one has a static method `portable(arguments)`, which returns arguments that name none. What
    a run records and a model carries then needs no file, and may be used where it comes from others.

    Args:
        config: whose targets the user typed, or `check_transforms` let pass.

    Raises:
        UsageError: when a target does not exist, or what it would learn from cannot be used.
    """

    def settled(key: str, transforms: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [_portable(mapping, f"{key}.{index}") for index, mapping in enumerate(transforms)]

    options = config.preprocessing
    before = None if options.on_scan is None else settled(BEFORE, options.on_scan)
    options = replace(options, on_scan=before, transforms=settled(AFTER, options.transforms))
    return replace(config, preprocessing=options)


def _portable(mapping: Mapping[str, Any], slot: str) -> Mapping[str, Any]:
    try:
        without_files = getattr(import_target(mapping[TARGET]), "portable", None)
        return {TARGET: mapping[TARGET], **without_files(arguments_of(mapping))} if without_files else mapping
    except UsageError as error:
        raise UsageError(f"{slot}: {error}") from error
