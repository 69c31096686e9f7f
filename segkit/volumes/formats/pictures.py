"""2D pictures by Pillow: PNG, JPEG, BMP and GIF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.bounded import open_bounded
from segkit.volumes.formats import Format
from segkit.volumes.formats._colour import without_alpha
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Source, Volume

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "picture"
DECODERS = ("PNG", "JPEG", "BMP", "GIF")  # Pillow's others have never been asked for, and had their vulnerabilities
DIRECT_MODES = frozenset({"L", "LA", "RGB", "RGBA", "I;16", "I;16B", "I;16L", "I", "F"})
PNG_DEPTH, PNG_KIND = 24, 25  # offsets in bytes of the bit depth and the colour type
PNG_GREY = 0
# The most pixels that a stored byte can become: DEFLATE's 1032 bytes of 8 pixels, GIF's LZW, BMP's run lengths.
MOST_INFLATED = {"PNG": 8 * 1032, "GIF": 2600, "BMP": 255}


@dataclass(frozen=True, eq=False)
class Palette:
    """What a picture with a palette of colours stores: where such a picture is a mask, these are its labels.

    Attributes:
        places: for each pixel the place of its colour in the palette, shape (X, Y).
    """

    places: NDArray[np.uint8]


def read(path: Path) -> Volume:
    """Read a picture.

    Args:
        path: a PNG, JPEG, BMP or GIF.

    Returns:
        (C, X, Y) with X = column on the 4x4 identity: one channel for grey (8 and 16 bits are kept, 1 bit becomes 0
        and 1), three for colours and for palettes that are not all grey. An EXIF orientation is not applied, since
        masks are drawn on the stored pixels. The source's header is the `Palette` where the picture has one.

    Raises:
        DataError: for an animation, a transparent picture, or 16-bit colours, which Pillow cannot keep.
    """
    with _open(path) as picture:
        pixels = np.asarray(picture.convert(_mode_for(picture)) if picture.mode not in DIRECT_MODES else picture)
        palette = Palette(np.asarray(picture).T) if picture.mode == "P" else None
        size = picture.size
    if pixels.dtype.kind == "b":
        pixels = pixels.astype(np.uint8)
    pixels = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    array = np.moveaxis(np.atleast_3d(pixels), (1, 0, 2), (1, 2, 0))
    return Volume(without_alpha(array), Grid(size, np.eye(4)), Source(path, NAME, palette))


def read_grid(path: Path) -> Grid:
    """Read the size; a picture's affine is the identity."""
    with _open(path) as picture:
        return Grid(picture.size, np.eye(4))


@contextmanager
def _open(path: Path) -> Iterator[Image]:
    from PIL import Image, UnidentifiedImageError

    with open_bounded(path) as file:
        try:
            picture = Image.open(file, formats=DECODERS)
        except UnidentifiedImageError as error:
            raise DataError("is not a whole PNG, JPEG, BMP or GIF") from error
        _check_size(picture, path.stat().st_size)
        frames = getattr(picture, "n_frames", 1)
        # Some cameras put a preview behind a JPEG: its first frame is the picture.
        if frames > 1 and picture.format in ("GIF", "PNG"):
            raise DataError(f"is an animation of {frames} frames: save them as pages of one .tif, or one frame alone")
        if picture.format == "PNG" and _has_deep_colours(path):
            raise DataError("has 16-bit colours, which would be cut to 8 bits: convert it to .tif")
        yield picture


def _check_size(picture: Image, stored: int) -> None:
    declared = picture.width * picture.height * len(picture.getbands())
    if declared > stored * MOST_INFLATED.get(str(picture.format), declared):
        raise DataError(f"is cut short: its header declares {declared} values, {stored} stored bytes cannot be so")


def _has_deep_colours(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(PNG_KIND + 1)
    return head[PNG_DEPTH] == 16 and head[PNG_KIND] != PNG_GREY


def _mode_for(picture: Image) -> str:
    if picture.mode == "1":
        return "1"
    if picture.mode in ("PA", "La", "RGBa") or "transparency" in picture.info:
        return "RGBA"
    return "L" if _has_grey_palette(picture) else "RGB"


def _has_grey_palette(picture: Image) -> bool:
    # GIF has no other way to hold grey, and many BMP files use none.
    colours = np.array(picture.getpalette() or [0, 1, 2]).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def write(volume: Volume, path: Path) -> None:
    """Write a 2D volume as PNG, which keeps no spacing and no position.

    Args:
        volume: (1, X, Y) of bool, uint8 or uint16, or (3, X, Y) of uint8.
        path: the file to write.

    Raises:
        GeometryError: for a 3D volume.
        DataError: for other voxel types or channel counts.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if volume.grid.dims != 2:
        raise GeometryError("PNG holds 2D pictures and this volume is 3D: write .nii.gz, .nrrd, .mha or .tif")
    array = volume.array.astype(np.uint8) if volume.array.dtype.kind == "b" else volume.array
    kind = (len(array), array.dtype.newbyteorder("=").name)
    if kind not in ((1, "uint8"), (1, "uint16"), (3, "uint8")):
        raise DataError(
            f"PNG holds one channel of uint8 or uint16 or three of uint8, not {kind[0]} of {kind[1]}: write .tif"
        )
    pixels: NDArray[Any] = np.ascontiguousarray(array.transpose(2, 1, 0))
    texts = PngInfo()
    if volume.note:
        texts.add_text("Software", volume.note)
    Image.fromarray(pixels if len(array) == 3 else pixels[..., 0]).save(path, format="PNG", pnginfo=texts)


FORMAT = Format(NAME, (".png", ".jpg", ".jpeg", ".bmp", ".gif"), read, read_grid, write, written=(".png",))
