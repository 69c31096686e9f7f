"""Voxels as bytes, in and out: bounded by what a header declares, inflated by ISA-L where it is installed."""

from __future__ import annotations

import bz2
import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError

try:
    from isal import igzip, isal_zlib
except ImportError:  # some platforms have no ISA-L: the standard library reads the same, 2.5 times slower
    igzip = isal_zlib = None  # type: ignore[assignment]

Encoding = Literal["raw", "gzip", "zlib", "bzip2"]

GZIP_MAGIC = b"\x1f\x8b"
LEVEL = 1  # higher levels cost five times the time for 3% of the size of a scan
PIECE = 1 << 20  # bytes inflated at a time; small enough to stay in the processor's cache
TILE = 16  # voxels; 16 x 16 tiles turn C into Fortran order five times faster than NumPy's own copy
# The most that a stored byte can become: DEFLATE writes up to 258 bytes in 2 bits. bzip2 has no useful bound.
MOST_INFLATED = {"raw": 1.0, "gzip": 1032.0, "zlib": 1032.0, "bzip2": float("inf")}


def gzip_reader(file: IO[bytes]) -> gzip.GzipFile:
    """Return a reader of the gzip stream that begins where `file` stands."""
    reader: gzip.GzipFile = (igzip.IGzipFile if igzip else gzip.GzipFile)(fileobj=file, mode="rb")
    return reader


def gzip_writer(file: IO[bytes]) -> gzip.GzipFile:
    """Return a writer into `file` whose bytes depend on the voxels alone, not on the file's name or the time."""
    kind = igzip.IGzipFile if igzip else gzip.GzipFile
    writer: gzip.GzipFile = kind(filename="", fileobj=file, mode="wb", compresslevel=LEVEL, mtime=0)
    return writer


def zlib_deflate(voxels: memoryview) -> bytes:
    """Return `voxels` as a zlib stream."""
    deflated: bytes = (isal_zlib or zlib).compress(voxels, LEVEL)
    return deflated


def sniff_encoding(file: IO[bytes]) -> Literal["raw", "gzip"]:
    """Tell by its first bytes whether `file` is compressed, and go back to where it stood."""
    start = file.tell()
    magic = file.read(len(GZIP_MAGIC))
    file.seek(start)
    return "gzip" if magic == GZIP_MAGIC else "raw"


def read_voxels(file: IO[bytes], count: int, encoding: Encoding, *, skip: int = 0) -> NDArray[np.uint8]:
    """Read voxels from where `file` stands, and never take more memory than the file can fill.

    Args:
        file: a file on disk, opened in binary mode.
        count: bytes of voxels that the header declares.
        encoding: how they are stored.
        skip: bytes between here and the first voxel, counted after decompression.

    Returns:
        Exactly `count` bytes, writable, shape (count,).

    Raises:
        DataError: when the file holds fewer bytes, or its checksum says that they are damaged.
    """
    stored = os.fstat(file.fileno()).st_size - file.tell()
    if count + skip > stored * MOST_INFLATED[encoding]:
        raise DataError(
            f"is cut short: its header declares {count} bytes of voxels, {stored} stored bytes cannot be so"
        )
    if encoding == "raw":
        file.seek(skip, os.SEEK_CUR)
        return np.fromfile(file, np.uint8, count)
    try:
        return _filled(_pieces(file, encoding), count, skip)
    except _damages() as error:
        raise DataError(f"is cut short or damaged inside its compressed voxels ({error})") from error


def _damages() -> tuple[type[Exception], ...]:
    # A damaged bzip2 stream is a bare OSError: `reading.read` words that one.
    isal_error: Any = isal_zlib.error if isal_zlib else zlib.error
    return EOFError, zlib.error, gzip.BadGzipFile, isal_error


def _pieces(file: IO[bytes], encoding: Encoding) -> Iterator[bytes]:
    if encoding == "zlib":
        return _zlib_pieces(file)
    reader: Any = gzip_reader(file) if encoding == "gzip" else bz2.BZ2File(file)
    return iter(partial(reader.read, PIECE), b"")


def _zlib_pieces(file: IO[bytes]) -> Iterator[bytes]:
    inflater = (isal_zlib or zlib).decompressobj()
    while not inflater.eof:
        stored = inflater.unconsumed_tail or file.read(PIECE)
        piece = inflater.decompress(stored, PIECE)  # at the end of the file ISA-L may still hold some back
        if not stored and not piece:
            raise EOFError("the stream has no end")
        yield piece


def _filled(pieces: Iterator[bytes], count: int, skip: int) -> NDArray[np.uint8]:
    voxels = np.empty(count, np.uint8)
    target = voxels.data
    position = -skip  # where the next piece begins, counted from the first voxel
    for piece in pieces:
        kept = memoryview(piece)[max(0, -position) : max(0, count - position)]
        start = max(0, position)
        target[start : start + len(kept)] = kept
        position += len(piece)
        if position > count:  # at equality one more piece is asked for, since the checksum is compared at the end
            break
    if position < count:
        raise DataError(f"is cut short: it holds {max(0, position)} of the {count} bytes that its header declares")
    return voxels


def parse_numbers(text: bytes, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the `count` whitespace-separated numbers of an ASCII-encoded volume, shape (count,).

    Raises:
        DataError: when `text` holds fewer or more numbers, or other words.
    """
    words = text.split()
    if len(words) != count:
        raise DataError(f"holds {len(words)} numbers where its header declares {count}")
    convert: Callable[[bytes], Any] = float if dtype.kind == "f" else int
    return np.array([convert(word) for word in words], dtype)


def storable(array: NDArray[Any]) -> NDArray[Any]:
    """Return voxels, of any shape, as files store them: real numbers of 8 to 64 bits, little-endian.

    bool becomes uint8 and float16 float32, which hold the same values.

    Raises:
        DataError: for complex, extended precision and other types.
    """
    if array.dtype.kind == "b":
        return array.view(np.uint8)
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        raise DataError(f"voxels of type {array.dtype} cannot be stored: real numbers of up to 64 bits can")
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def native(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` in the machine's byte order; foreign order is swapped in place."""
    if array.dtype.isnative:
        return array
    return array.byteswap(inplace=array.flags.writeable).view(array.dtype.newbyteorder())


def fortran_bytes(array: NDArray[Any]) -> memoryview:
    """Return the voxels of `array` with the first axis running fastest, copied only where they lie otherwise.

    Compressors find far longer repeats in masks in this order, and it is what NIfTI, NRRD and MetaImage store.
    """
    if not array.flags.f_contiguous:
        array = _fortran_copy(array)
    return array.reshape(-1, order="F").view(np.uint8).data


def _fortran_copy(array: NDArray[Any]) -> NDArray[Any]:
    copied = np.empty(array.shape, array.dtype, order="F")
    if array.ndim < 2:
        copied[...] = array
        return copied
    for i in range(0, array.shape[0], TILE):
        for j in range(0, array.shape[1], TILE):
            copied[i : i + TILE, j : j + TILE] = array[i : i + TILE, j : j + TILE]
    return copied
