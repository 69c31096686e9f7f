"""A plain classic DICOM series: one slice per file, all of one grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.formats import Format
from segkit.volumes.grid import Grid, affine_from_steps
from segkit.volumes.volume import Source, Volume

NAME = "dicom"
PREAMBLE, MAGIC = 128, b"DICM"
SAME_COSINE = 1e-3  # scanners write direction cosines with three digits or more
EVEN_GAP, EVEN_MM = 0.05, 0.05  # of the mean gap, or mm: a slice that lies further off its place is a fault


@dataclass(frozen=True)
class Slice:
    """One file of a series.

    Attributes:
        path: the file.
        header: its dataset without pixel data.
        position: centre of the first pixel in LPS mm.
        axes: unit vectors along a row and along a column in LPS, shape (2, 3).
    """

    path: Path
    header: Any
    position: NDArray[np.float64]
    axes: NDArray[np.float64]


def read(path: Path) -> Volume:
    """Read a series from its folder, or a single slice from its file; `read_slices` says what comes back."""
    return read_slices(_files(path))


def read_slices(paths: Sequence[Path]) -> Volume:
    """Read a series from its files, in any order.

    Args:
        paths: one file per slice; files without an image (DICOMDIR, reports) are passed over when there are others.

    Returns:
        (1, X = column, Y = row, Z), (3, ...) for colours, slices sorted along their normal, LPS turned to RAS+, shear
        of a tilted gantry kept. Z spacing comes from the positions; SliceThickness serves a single slice only. Values
        are rescaled (HU for CT): integers where slope and intercept are, else float32. `source.header` is the list of
        sorted datasets.

    Raises:
        DataError: for mixed series, missing orientation, multi-frame objects, and pixels that cannot be decoded.
        GeometryError: for uneven gaps, mixed orientations and slices that lie in the same place.
    """
    slices = _sorted_slices(paths)
    grid = _grid_of(slices)
    return Volume(_voxels(slices), grid, Source(paths[0].parent, NAME, [one.header for one in slices]))


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the headers of a folder's series or of a single file."""
    return _grid_of(_sorted_slices(_files(path)))


def recognises(path: Path) -> bool:
    """Tell whether a file is DICOM, or a folder holds such files directly."""
    if path.is_dir():
        return any(_is_dicom(child) for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
    return path.is_file() and _is_dicom(path)


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(PREAMBLE)
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # reading it will say why


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    children = sorted(child for child in path.iterdir() if child.is_file() and not child.name.startswith("."))
    return [child for child in children if _is_dicom(child)]


def _sorted_slices(paths: Sequence[Path]) -> list[Slice]:
    """Parse the headers and make sure that they are slices of one grid."""
    headers = [(path, _header(path)) for path in paths]
    images = [(path, header) for path, header in headers if "Rows" in header and "Columns" in header]
    if not images:
        raise DataError("holds no DICOM image")
    series = {
        str(header.get("SeriesInstanceUID", "")): str(header.get("SeriesDescription", "")) for _, header in images
    }
    if len(series) > 1:
        names = ", ".join(sorted(name or "unnamed" for name in series.values())[:5])
        raise DataError(f"holds {len(series)} series ({names}): keep each in a folder of its own")
    slices = [_slice(path, header) for path, header in images]
    first = slices[0]
    for one in slices[1:]:
        if (one.header.Rows, one.header.Columns) != (first.header.Rows, first.header.Columns):
            raise GeometryError(f"mixes slices of different sizes ({first.path.name} and {one.path.name})")
        if not np.allclose(one.axes, first.axes, atol=SAME_COSINE):
            raise GeometryError(f"mixes slices of different orientations ({first.path.name} and {one.path.name})")
        if not np.allclose(_pixel_spacing(one), _pixel_spacing(first)):
            raise GeometryError(f"mixes slices of different PixelSpacing ({first.path.name} and {one.path.name})")
    return sorted(slices, key=lambda one: float(one.position @ _normal(first)))


def _header(path: Path) -> Any:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path, stop_before_pixels=True)
    except InvalidDicomError as error:
        raise DataError(f"{path.name} is no DICOM file") from error


def _slice(path: Path, header: Any) -> Slice:
    if int(header.get("NumberOfFrames") or 1) > 1 or "PerFrameFunctionalGroupsSequence" in header:
        raise DataError(f"{path.name} is a multi-frame object; segkit reads classic series of one slice per file")
    if "ModalityLUTSequence" in header:
        raise DataError(f"{path.name} maps its values by a table (Modality LUT), which segkit does not read")
    for keyword, count in (("ImageOrientationPatient", 6), ("ImagePositionPatient", 3), ("PixelSpacing", 2)):
        values = header.get(keyword)
        if values is None or len(values) != count:
            raise DataError(f"{path.name} has no {keyword}, so its place in the patient is unknown")
    axes = np.array(header.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise GeometryError(f"{path.name} has an ImageOrientationPatient of zeros")
    return Slice(path, header, np.array(header.ImagePositionPatient, dtype=np.float64), axes / lengths)


def _normal(one: Slice) -> NDArray[np.float64]:
    return np.cross(one.axes[0], one.axes[1])


def _pixel_spacing(one: Slice) -> tuple[float, float]:
    """Return the distances in mm between columns and between rows; DICOM writes them the other way round."""
    between_rows, between_columns = one.header.PixelSpacing
    return float(between_columns), float(between_rows)


def _grid_of(slices: list[Slice]) -> Grid:
    first = slices[0]
    steps = [axis * spacing for axis, spacing in zip(first.axes, _pixel_spacing(first), strict=True)]
    if len(slices) > 1:
        steps.append(_step_between(slices))
    else:
        steps.append(_normal(first) * float(first.header.get("SliceThickness") or 1))
    shape = (int(first.header.Columns), int(first.header.Rows), len(slices))
    return Grid(shape, affine_from_steps(steps, first.position, space="LPS"))


def _step_between(slices: list[Slice]) -> NDArray[np.float64]:
    """Return the vector in mm from each slice to the next.

    Raises:
        GeometryError: when the slices are not evenly spaced along one line.
    """
    positions = np.array([one.position for one in slices])
    gaps = np.diff(positions @ _normal(slices[0]))
    if gaps.min() < 1e-3:
        at = int(gaps.argmin())
        twins = f"{slices[at].path.name} and {slices[at + 1].path.name}"
        raise GeometryError(f"has two slices in the same place ({twins}): more than one image of each slice")
    step = np.asarray((positions[-1] - positions[0]) / (len(slices) - 1))
    places = positions[0] + np.arange(len(slices))[:, None] * step
    if np.linalg.norm(positions - places, axis=1).max() > max(EVEN_GAP * gaps.mean(), EVEN_MM):
        at = int(gaps.argmax())
        where = f"{gaps[at]:.4g} mm from {slices[at].path.name} to {slices[at + 1].path.name}"
        raise GeometryError(f"has uneven gaps between slices ({gaps.min():.4g} mm, but {where}): is a slice missing?")
    return step


def _voxels(slices: list[Slice]) -> NDArray[Any]:
    first = _decoded(slices[0])
    stack = np.empty((len(slices), *first.shape), _value_type(slices, first.dtype))  # (Z, rows, columns[, samples])
    for index, one in enumerate(slices):
        pixels = first if index == 0 else _decoded(one)
        if pixels.shape != first.shape or pixels.dtype.kind not in "iu":
            raise DataError(f"{one.path.name} holds pixels of another kind than {slices[0].path.name}")
        stack[index] = _rescaled(pixels, *_rescale(one.header), stack.dtype)
    array = stack.transpose()
    return array if array.ndim == 4 else array[None]


def _decoded(one: Slice) -> NDArray[Any]:
    from pydicom.pixels.utils import pixel_array

    try:
        return np.asarray(pixel_array(one.path))
    except (RuntimeError, NotImplementedError) as error:
        syntax = one.header.file_meta.TransferSyntaxUID
        raise DataError(f"{one.path.name} holds pixels that cannot be decoded here ({syntax.name})") from error
    except (ValueError, AttributeError, EOFError) as error:
        raise DataError(f"{one.path.name} is cut short or damaged: {' '.join(str(error).split())}") from error


def _rescale(header: Any) -> tuple[float, float]:
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    return 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept)


def _value_type(slices: list[Slice], stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the smallest type that holds what the stored bits can become, float32 where slopes are fractions."""
    bounds: list[float] = []
    for one in slices:
        slope, intercept = _rescale(one.header)
        if not (slope.is_integer() and intercept.is_integer()):
            return np.dtype(np.float32)
        bits, is_signed = int(one.header.BitsStored), bool(one.header.PixelRepresentation)
        lowest = -(2 ** (bits - 1)) if is_signed else 0
        bounds += [slope * value + intercept for value in (lowest, lowest + 2**bits - 1)]
    for kind in (stored, np.dtype(np.int16), np.dtype(np.int32)):
        if np.iinfo(kind).min <= min(bounds) and max(bounds) <= np.iinfo(kind).max:
            return kind
    return np.dtype(np.float32)


def _rescaled(pixels: NDArray[Any], slope: float, intercept: float, kind: np.dtype[Any]) -> NDArray[Any]:
    if (slope, intercept) == (1, 0):
        return pixels
    if kind.kind == "f":
        return pixels * np.float64(slope) + intercept
    return pixels.astype(np.int64) * int(slope) + int(intercept)


FORMAT = Format(NAME, (".dcm", ".dicom", ".ima"), read, read_grid, recognises=recognises)
