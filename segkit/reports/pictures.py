"""Pictures of a plane of a case: contours of reference and mask, and where these differ."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED
from segkit.reports.looking import EXTRA, HIT, MISSED, Places, Seen, errors
from segkit.volumes.outlines import Picture, colour_of

if TYPE_CHECKING:
    from PIL.Image import Image

TILE = 240  # pixels of the longest side of a plane
OPACITY = 0.55  # of what is painted over an image
# Blue, yellow and red: told apart by colour-blind readers, from each other and from the grey beneath.
ERROR_COLOURS = {HIT: (0, 114, 178), EXTRA: (255, 228, 66), MISSED: (220, 30, 30)}
AXES = ("sagittal", "coronal", "axial")


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane of a case, as it is looked at: rows from the top, columns from the left.

    Attributes:
        grey: 0..255, shape (rows, columns).
        reference: places of labels of the same shape; None: there is none.
        mask: likewise.
        aspect: height of a voxel by its width.
        what: which plane, in words.
    """

    grey: Picture
    reference: Places | None
    mask: Places | None
    aspect: float
    what: str


def plane_of(seen: Seen, axis: int, index: int, window: tuple[float, float]) -> Plane:
    """Cut a plane out of a case, as a radiologist holds it: the patient's right on the left, front or head up.

    Args:
        seen: the case.
        axis: across the plane.
        index: of the voxel along it.
        window: intensities shown as black and white.
    """
    low, high = window
    cut = np.take(seen.grey, index, axis).astype(np.float64)
    grey = (np.clip((cut - low) / max(high - low, 1e-9), 0, 1) * 255).astype(np.uint8)
    reference, mask = (None if part is None else np.take(part, index, axis) for part in (seen.reference, seen.mask))
    turned = [None if part is None else _held(part, seen.is_picture) for part in (grey, reference, mask)]
    across, along = (step for other, step in enumerate(seen.spacing) if other != axis)
    number = f"{AXES[axis]} slice {index + 1} of {seen.image.shape[axis + 1]}"
    assert turned[0] is not None
    return Plane(turned[0], turned[1], turned[2], along / across, "picture" if seen.is_picture else number)


def _held(plane: NDArray[np.uint8], is_picture: bool) -> NDArray[np.uint8]:
    return plane.T if is_picture else plane[::-1, ::-1].T


def sized(plane: Plane, size: int = TILE) -> Plane:
    """Return a plane whose longest side has `size` pixels and whose voxels have the proportions of the body."""
    rows, columns = plane.grey.shape
    height, width = rows * plane.aspect, float(columns)
    factor = size / max(height, width)
    wanted = max(1, round(width * factor)), max(1, round(height * factor))
    grey = np.asarray(_image(plane.grey).resize(wanted, 3 if factor > 1 else 1))  # 3: cubic, 1: Lanczos
    down, right = (
        np.minimum((np.arange(new) + 0.5) * old / new, old - 1).astype(int)
        for new, old in zip(wanted[::-1], (rows, columns), strict=True)
    )
    parts = [None if part is None else part[np.ix_(down, right)] for part in (plane.reference, plane.mask)]
    return Plane(grey, parts[0], parts[1], 1.0, plane.what)


def contoured(grey: Picture, places: Places | None) -> Picture:
    """Return a plane with the outline of each label, two pixels wide, in its colour, shape (rows, columns, 3)."""
    picture = np.repeat(grey[..., None], 3, axis=2)
    if places is None:
        return picture
    padded = np.pad(places, 2, mode="edge")
    rows, columns = places.shape
    shifts = [(0, 2), (4, 2), (2, 0), (2, 4), (1, 2), (3, 2), (2, 1), (2, 3)]
    edge = np.any([padded[y : y + rows, x : x + columns] != places for y, x in shifts], axis=0)
    for label in np.unique(places[edge]):
        if label:
            picture[edge & (places == label)] = colour_of(int(label))
    return picture


def painted(grey: Picture, found: Places, colours: Mapping[int, tuple[int, int, int]] = ERROR_COLOURS) -> Picture:
    """Return a plane with numbered areas painted over it, shape (rows, columns, 3)."""
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for number, colour in colours.items():
        area = found == number
        picture[area] = (1 - OPACITY) * picture[area] + OPACITY * np.array(colour)
    return picture.astype(np.uint8)


def panels(plane: Plane) -> list[tuple[str, Picture]]:
    """Return the pictures that tell of a plane, each with what it shows."""
    found = [(name, part) for name, part in (("reference", plane.reference), ("mask", plane.mask)) if part is not None]
    shown = [(name, contoured(plane.grey, part)) for name, part in found]
    if plane.reference is not None and plane.mask is not None:
        shown.append(("errors", painted(plane.grey, errors(plane.reference, plane.mask))))
    return shown or [("image", contoured(plane.grey, None))]


def picture_url(picture: Picture) -> str:
    """Return a picture as a `data:` address that a page can hold: JPEG, in which grey with contours stays small."""
    content = io.BytesIO()
    _image(picture).save(content, format="JPEG", quality=86, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"


def _image(picture: Picture) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(picture))


def label_colours(count: int) -> list[str]:
    """Return the colours of labels 1 to `count` as pictures show them, `#rrggbb`."""
    return ["#{:02x}{:02x}{:02x}".format(*colour_of(number)) for number in range(1, min(count, IGNORED - 1) + 1)]
