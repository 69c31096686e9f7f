"""TIFF by tifffile: one page is a 2D volume, several pages are the slices of a 3D one."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, MissingExtraError
from segkit.volumes.bounded import BoundedFile, open_bounded
from segkit.volumes.formats import Format
from segkit.volumes.formats._colour import without_alpha
from segkit.volumes.grid import Grid, affine_from
from segkit.volumes.volume import Source, Volume
from segkit.volumes.voxel_bytes import LEVEL, native, storable

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPageSeries

NAME = "tiff"
CHANNELS = "CS"  # tifffile's letters of channel and sample axes; every other one beside X and Y counts pages
AFFINE_KEY = "affine"  # in the JSON description that tifffile writes
MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4, "nm": 1e-6, **dict.fromkeys(("µm", "μm", "um", "micron"), 1e-3)}
# The most that a stored byte can become, by TIFF's number of the compression: none, LZW, deflate (two), PackBits.
MOST_INFLATED = {1: 1, 5: 2600, 8: 1032, 32946: 1032, 32773: 64}
ALPHA_SAMPLES = (1, 2)
BIG = 8  # bytes of an offset in BigTIFF, which is also where its first stands; in TIFF it stands at 4


def read(path: Path) -> Volume:
    """Read a volume.

    Args:
        path: a TIFF of one image, or of pages of one size.

    Returns:
        (C, X, Y) or, for several pages, (C, X, Y, Z); X = column. The affine is the one that `write` stored; else it
        has the spacing of OME or ImageJ metadata in mm, and unit spacing where there is none. Palettes become RGB.

    Raises:
        DataError: when pages differ in size, or more than one axis could be the slices.
        MissingExtraError: when the compression (LZW, JPEG ...) needs imagecodecs.
    """
    with _open(path) as tif:
        series = _only_series(tif)
        _check_size(path, series)
        order, has_pages = _axis_order(tif, series)
        pixels = _decoded(series)
        array = _channel_first(pixels, series.axes, order, has_pages=has_pages)
        page = series.keyframe
        if page.colormap is not None and len(array) == 1:
            # Palettes count to 65535; what is drawn with 8 bits comes back as it was.
            array = (page.colormap >> 8).astype(np.uint8)[:, array[0]]
        if any(int(sample) in ALPHA_SAMPLES for sample in page.extrasamples):
            array = without_alpha(array)
        return Volume(array, Grid(array.shape[1:], _affine(tif, page)), Source(path, NAME))


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the tags."""
    with _open(path) as tif:
        series = _only_series(tif)
        order, has_pages = _axis_order(tif, series)
        sizes = dict(zip(series.axes, series.shape, strict=True))
        pages = [sizes.get(order[3], 1)] if has_pages else []
        return Grid((sizes["X"], sizes["Y"], *pages), _affine(tif, series.keyframe))


class _Faults(logging.Handler):
    """Keeps what tifffile logs as an error while it goes on with fewer pages."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _open(path: Path) -> Iterator[TiffFile]:
    from tifffile import TiffFile

    faults, log = _Faults(), logging.getLogger("tifffile")
    log.addHandler(faults)
    try:
        # A multi-file OME-TIFF names further files to open: a stranger's file may not.
        with open_bounded(path) as file, TiffFile(file, name=path.name, _multifile=False) as tif:
            _check_pages(file, tif.tiff)
            yield tif
    finally:
        log.removeHandler(faults)
    if faults.messages:
        raise DataError(f"is cut short or damaged: {faults.messages[0]}")


def _check_pages(file: BoundedFile, layout: Any) -> None:
    """Follow the pages once, since tifffile would follow those that lead back to earlier ones for ever.

    Raises:
        DataError: when they do.
    """
    order: Literal["little", "big"] = "little" if layout.byteorder == "<" else "big"
    size, at, seen = layout.offsetsize, layout.offsetsize if layout.offsetsize == BIG else 4, set()
    while file.seek(at) == at and (page := int.from_bytes(file.read(size), order)):
        if page in seen:
            raise DataError("is damaged: its pages lead in a circle")
        seen.add(page)
        file.seek(page)
        at = page + layout.tagnosize + int.from_bytes(file.read(layout.tagnosize), order) * layout.tagsize


def _only_series(tif: TiffFile) -> TiffPageSeries:
    if len(tif.series) != 1:
        raise DataError(f"holds {len(tif.series)} images of different sizes or kinds: save one per file")
    return tif.series[0]


def _check_size(path: Path, series: TiffPageSeries) -> None:
    stored, declared = path.stat().st_size, series.size * series.dtype.itemsize if series.dtype else 0
    if declared > stored * MOST_INFLATED.get(int(series.keyframe.compression), declared):
        raise DataError(
            f"is cut short: its tags declare {declared} bytes of voxels, {stored} stored bytes cannot be so"
        )


def _axis_order(tif: TiffFile, series: TiffPageSeries) -> tuple[str, bool]:
    """Return the letters of the channel, column, row and page axes ("-" for none), and whether the volume is 3D."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    channel = [axis for axis in sizes if axis in CHANNELS]
    pages = [axis for axis in sizes if axis not in (*CHANNELS, "X", "Y")]
    if len(channel) > 1 or len(pages) > 1 or not {"X", "Y"} <= set(sizes):
        raise DataError(
            f"has the axes {series.axes} with sizes {series.shape}: X, Y, one of slices, one of channels fit"
        )
    # tifffile drops axes of length 1: what `write` declared tells a single slice from a picture.
    declared = str((_description(tif) or {}).get("axes", ""))
    return "".join([*(channel or "-"), "X", "Y", *(pages or "-")]), bool(pages) or "Z" in declared


def _decoded(series: TiffPageSeries) -> NDArray[Any]:
    try:
        pixels = series.asarray()
    except ValueError as error:
        if "imagecodecs" in str(error):
            raise MissingExtraError("imagecodecs", "tiff", f"{series.keyframe.compression!r} in TIFF") from error
        raise
    return native(pixels.astype(np.uint8) if pixels.dtype.kind == "b" else pixels)


def _channel_first(pixels: NDArray[Any], axes: str, order: str, *, has_pages: bool) -> NDArray[Any]:
    ordered = pixels.transpose([axes.index(axis) for axis in order if axis != "-"])
    if order[0] == "-":
        ordered = ordered[None]
    return ordered[..., None] if has_pages and order[3] == "-" else ordered


def _description(tif: TiffFile) -> dict[str, Any] | None:
    return tif.shaped_metadata[0] if tif.shaped_metadata else None


def _affine(tif: TiffFile, page: Any) -> NDArray[np.float64]:
    stored = (_description(tif) or {}).get(AFFINE_KEY)
    if stored is not None:
        return np.array(stored, dtype=np.float64)
    if tif.ome_metadata:
        return affine_from(_ome_spacing(tif.ome_metadata))
    return affine_from(_imagej_spacing(tif.imagej_metadata, page) if tif.imagej_metadata else (1.0, 1.0, 1.0))


def _ome_spacing(xml: str) -> list[float]:
    spacing = []
    for axis in "XYZ":
        size = re.search(rf'PhysicalSize{axis}="([^"]+)"', xml)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', xml)
        factor = MM.get(unit[1] if unit else "µm")  # the unit that OME means where it names none
        spacing.append(float(size[1]) * factor if size and factor else 1.0)
    return spacing


def _imagej_spacing(metadata: dict[str, Any], page: Any) -> list[float]:
    factor = MM.get(str(metadata.get("unit", "")).replace("\\u00B5", "µ"))
    if factor is None:
        return [1.0, 1.0, 1.0]
    spacing = []
    for name in ("XResolution", "YResolution"):
        pixels, units = page.tags[name].value if name in page.tags else (1, 1)
        spacing.append(factor * units / pixels if pixels and units else 1.0)
    return [*spacing, factor * float(metadata.get("spacing", 1.0))]


def write(volume: Volume, path: Path) -> None:
    """Write a volume, slices as pages, with its affine in the JSON description that `read` finds again.

    Args:
        volume: three channels of uint8 or uint16 are written as RGB, others one page each. bool is written as uint8,
            float16 as float32.
        path: the file to write.

    Raises:
        DataError: for voxels that are not real numbers.
    """
    from tifffile import imwrite

    array = storable(volume.array)
    is_colour = len(array) == 3 and array.dtype.str[1:] in ("u1", "u2")
    pages = "Z" if volume.grid.dims == 3 else ""
    letters = f"{pages}YXC" if is_colour else f"{pages}CYX" if len(array) > 1 else f"{pages}YX"
    source = "CXYZ"[: array.ndim]
    pixels = (array if "C" in letters else array[:1]).transpose(
        [source.index(axis) for axis in ("" if "C" in letters else "C") + letters]
    )
    imwrite(
        path,
        pixels if "C" in letters else pixels[0],
        photometric="rgb" if is_colour else "minisblack",
        compression="zlib",
        compressionargs={"level": LEVEL},
        software=volume.note.encode("ascii", "replace") or None,
        metadata={"axes": letters.replace("C", "S") if is_colour else letters, AFFINE_KEY: volume.affine.tolist()},
    )


FORMAT = Format(NAME, (".tif", ".tiff"), read, read_grid, write)
