"""What a NIfTI header says about geometry, layout and scaling; nibabel parses it, voxels are not touched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid
from segkit.volumes.voxel_bytes import gzip_reader, sniff_encoding

LONGEST_HEADER = 540  # bytes; NIfTI-2
SINGLE_MAGIC, PAIR_MAGIC = (b"n+1", b"n+2"), (b"ni1", b"ni2")
RGB, RGBA = 128, 2304  # NIfTI's codes for colour voxels
FAULT_LEVEL = 40  # nibabel mends what lies below, and refuses what lies above
_SILENT = logging.Logger("segkit.nifti", level=logging.CRITICAL + 1)


@dataclass(frozen=True)
class Layout:
    """How the voxels lie in the file.

    Attributes:
        shape: (X, Y) or (X, Y, Z).
        channels: how many images lie behind each other, the last file axis; 3 or 4 for colours, which lie in front.
        dtype: of one stored number, with its byte order.
        is_colour: whether each voxel is a run of 3 (RGB) or 4 (RGBA) bytes.
        offset: bytes before the first voxel.
        slope: factor from stored to true values; None when they are the same.
        intercept: added after `slope`.
    """

    shape: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    is_colour: bool
    offset: int
    slope: float | None
    intercept: float

    @property
    def byte_count(self) -> int:
        """Bytes that all voxels take."""
        count = self.channels * self.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


def read_header(path: Path) -> Any:
    """Read the header of a `.nii`, `.nii.gz` or `.hdr` file as it stands there.

    Returns:
        A `nibabel.Nifti1Header` or `Nifti2Header`, unchecked, so that every byte can be written again.

    Raises:
        DataError: when the file has no NIfTI header.
    """
    with path.open("rb") as file:
        return parse_header(file)


def parse_header(file: IO[bytes]) -> Any:
    """Parse the header at the beginning of an open, perhaps compressed file."""
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    stream: Any = gzip_reader(file) if sniff_encoding(file) == "gzip" else file
    block = stream.read(LONGEST_HEADER)
    kinds: tuple[tuple[Any, bytes], ...] = ((Nifti1Header, block[344:347]), (Nifti2Header, block[4:7]))
    for kind, magic in kinds:
        if len(block) >= kind.sizeof_hdr and magic in SINGLE_MAGIC + PAIR_MAGIC:
            return kind(block[: kind.sizeof_hdr], check=False)
    if int.from_bytes(block[:4], "little") == 348 or int.from_bytes(block[:4], "big") == 348:
        raise DataError("is an Analyze 7.5 file, which does not record left and right: convert it to NIfTI first")
    raise DataError("has no NIfTI header")


def mended(header: Any) -> Any:
    """Return a copy with small faults mended just as `nibabel.load` does, without its log lines; it is only read."""
    kind: Any = type(header)
    return _mended(kind, header.binaryblock, header.endianness)


@lru_cache(maxsize=4)  # a scan's header is looked at when its size is asked for, when it is read, and for its mask
def _mended(kind: Any, block: bytes, endianness: str) -> Any:
    from nibabel.nifti1 import Nifti1PairHeader
    from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader

    copied: Any = kind(block, endianness, check=False)
    if copied["magic"].item() in PAIR_MAGIC:
        # The rules for the offset of the voxels differ between pairs and single files.
        pair: Any = Nifti2PairHeader if isinstance(copied, Nifti2Header) else Nifti1PairHeader
        copied = pair(block, endianness, check=False)
    copied.check_fix(_SILENT, error_level=FAULT_LEVEL)
    return copied


def grid_of(header: Any) -> Grid:
    """Return the grid: the sform if its code > 0, else the qform if its code > 0, else nibabel's fallback."""
    checked = mended(header)
    shape, _ = _split_axes(tuple(int(size) for size in checked.get_data_shape()))
    return Grid(shape, checked.get_best_affine())


def layout_of(header: Any) -> Layout:
    """Return where the voxels lie and how they are stored.

    Raises:
        DataError: for complex, bit-packed and quadruple precision voxels, and for axes that are neither space nor one
            list of channels.
    """
    checked = mended(header)
    shape, channels = _split_axes(tuple(int(size) for size in checked.get_data_shape()))
    code, dtype = int(checked["datatype"]), checked.get_data_dtype()
    is_colour = code in (RGB, RGBA)
    if is_colour:
        if channels > 1:
            raise DataError("has several colour images in one file: split them")
        channels, dtype = dtype.itemsize, np.dtype(np.uint8)
    elif dtype.kind not in "iuf":
        if dtype.kind == "c":
            raise DataError("holds complex voxels: write the magnitude, or real and imaginary parts as two channels")
        raise DataError(f"holds voxels of NIfTI type {code}, which have no counterpart here: convert them to float64")
    slope, intercept = checked.get_slope_inter()
    if is_colour or slope is None or (slope, intercept) == (1, 0):
        slope, intercept = None, 0.0
    is_single = checked["magic"].item() in SINGLE_MAGIC
    offset = max(int(checked["vox_offset"]), checked.single_vox_offset if is_single else 0)
    return Layout(shape, channels, dtype, is_colour, offset, slope, intercept)


def _split_axes(shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """Part (X, Y[, Z]) from the channels: the 4th axis, or the 5th behind a 4th of length 1."""
    if len(shape) < 2 or min(shape) < 1:
        raise DataError(f"has the shape {shape}: a volume has 2 or 3 axes of at least one voxel, then channels")
    others = [size for size in shape[3:] if size > 1]
    if len(others) > 1:
        raise DataError(f"has the shape {shape}: beyond 3 axes only one may be longer than 1, the channels")
    return shape[:3], others[0] if others else 1
