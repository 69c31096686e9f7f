"""One case as a reader of a report sees it: image, reference and mask, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segkit.config.channels import Channel
from segkit.config.labels import IGNORED, Labels
from segkit.preparation.scans import read_channels, read_reference, split_channels
from segkit.training.worst_case import reference_places
from segkit.volumes.grid import as_3d
from segkit.volumes.selection import Location

HIT, EXTRA, MISSED = 1, 2, 3  # in `errors`: labelled alike, by the mask alone or otherwise, by the reference alone
LEVELS = (0.5, 1.0, 50.0, 99.0, 99.5, 100.0)  # percentiles that windows are made of
Places = NDArray[np.uint8]


@dataclass(frozen=True)
class Files:
    """Where a case lies.

    Attributes:
        name: of the case.
        images: channel name to file.
        reference: None where there is none.
        mask: None where there is none.
        columns: what a table says of the case.
    """

    name: str
    images: Mapping[str, Location]
    reference: Location | None
    mask: Location | None
    columns: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Seen:
    """A case in memory, its axes running right, anterior, superior (a picture's right and down).

    Attributes:
        image: one channel, shape (C, X, Y, Z) with C = 3 for colours, else 1.
        affine: 4x4, voxel index to RAS+ mm.
        reference: places of labels from 1 on, 0 the background, 255 ignored, shape (X, Y, Z); None: there is none.
        mask: likewise.
        reference_ml: volume of each foreground label in ml; {} without a reference.
        mask_ml: likewise.
        is_picture: whether it is 2D, whose axes name no sides of a body.
    """

    image: NDArray[Any]
    affine: NDArray[np.float64]
    reference: Places | None
    mask: Places | None
    reference_ml: Mapping[str, float]
    mask_ml: Mapping[str, float]
    is_picture: bool

    @property
    def spacing(self) -> tuple[float, ...]:
        """Mm between voxels along each axis."""
        return tuple(float(step) for step in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def grey(self) -> NDArray[Any]:
        """The image without colour, shape (X, Y, Z)."""
        return self.image[0] if len(self.image) == 1 else np.asarray(self.image.mean(axis=0))


def see(files: Files, channel: str, channels: Mapping[str, Channel], labels: Labels) -> Seen:
    """Read a case.

    Args:
        files: where it lies.
        channel: the channel that is shown; one that is resampled onto another shows that other.
        channels: of the data set, in order.
        labels: of the data set.

    Raises:
        DataError: when a file cannot be read or holds what is not declared.
        GeometryError: when mask or reference do not lie on the image's grid.
    """
    path = files.images[channel]
    inside = {name: channels[name] for name in channels if files.images.get(name) == path}
    volume = read_channels(path, inside)
    image = dict(zip(inside, split_channels(volume.array, inside), strict=True))[channel]
    grid = as_3d(volume.grid)
    drawn = [None if where is None else read_reference(where, grid, labels) for where in (files.reference, files.mask)]
    voxel_ml = grid.voxel_mm3 / 1000
    sizes = [{} if classes is None else label_volumes(classes, labels, voxel_ml) for classes in drawn]
    places = [None if classes is None else reference_places(classes, labels) for classes in drawn]
    image = image.reshape(len(image), *grid.shape)
    is_picture = volume.grid.dims == 2
    if is_picture:
        return Seen(image, grid.affine, places[0], places[1], sizes[0], sizes[1], is_picture)
    turn = nib.orientations.io_orientation(grid.affine)
    affine = grid.affine @ nib.orientations.inv_ornt_aff(turn, grid.shape)
    turned = [None if each is None else _turned(each, turn) for each in places]
    image = np.stack([_turned(part, turn) for part in image])
    return Seen(image, affine, turned[0], turned[1], sizes[0], sizes[1], is_picture)


def _turned(array: NDArray[Any], turn: NDArray[np.float64]) -> NDArray[Any]:
    return np.asarray(nib.orientations.apply_orientation(array, turn))


def label_volumes(classes: Places, labels: Labels, voxel_ml: float) -> dict[str, float]:
    """Return the volume of each foreground label in ml.

    Args:
        classes: stored classes.
        labels: of the data set.
        voxel_ml: volume of a voxel.
    """
    counts = np.bincount(classes.reshape(-1, order="A"), minlength=IGNORED + 1)[: labels.classes]
    members = labels.membership if labels.is_regions else np.eye(labels.classes, dtype=bool)[1:]
    return {name: float(counts[row].sum() * voxel_ml) for name, row in zip(labels.foreground, members, strict=True)}


def errors(reference: Places, mask: Places) -> Places:
    """Return where a mask is right, says too much, or misses: `HIT`, `EXTRA`, `MISSED`, 0 where there is nothing.

    A voxel that both label, but differently, is `EXTRA`. What is ignored counts nowhere.
    """
    found = np.zeros(reference.shape, np.uint8)
    found[(reference > 0) & (mask == 0)] = MISSED
    found[(mask > 0) & (mask != reference)] = EXTRA
    found[(mask > 0) & (mask == reference)] = HIT
    found[reference == IGNORED] = 0
    return found


def worst_voxel(seen: Seen) -> tuple[int, int, int]:
    """Return the voxel to look at first, on the slice with most errors, or else most labelled voxels."""
    reference, mask = seen.reference, seen.mask
    if reference is not None and mask is not None:
        found = errors(reference, mask)
        telling = (found == EXTRA) | (found == MISSED)
        telling = telling if telling.any() else found > 0
    else:
        places = mask if reference is None else reference
        telling = np.zeros(seen.image.shape[1:], bool) if places is None else (places > 0) & (places != IGNORED)
    if not telling.any():
        x, y, z = (size // 2 for size in telling.shape)
        return x, y, z
    across = int(np.argmax(telling.sum(axis=(0, 1))))
    points = np.argwhere(telling[:, :, across])
    middle = np.median(points, axis=0)
    x, y = points[int(np.argmin(((points - middle) ** 2).sum(axis=1)))]  # a voxel that errs, not between two
    return int(x), int(y), across


def levels(image: NDArray[Any]) -> list[float]:
    """Return the percentiles `LEVELS` of an image, of about a million of its voxels where it has more."""
    flat = image.reshape(-1)
    return [float(level) for level in np.percentile(flat[:: max(1, flat.size // 1_000_000)], LEVELS)]
