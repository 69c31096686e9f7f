"""MetaImage: .mha, and .mhd with its voxels in a second file of the same folder."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.formats import Format
from segkit.volumes.grid import SIGNS, Grid, affine_from_steps
from segkit.volumes.volume import Source, Volume
from segkit.volumes.voxel_bytes import (
    Encoding,
    fortran_bytes,
    native,
    parse_numbers,
    read_voxels,
    sniff_encoding,
    storable,
    zlib_deflate,
)

NAME = "metaimage"
WRITTEN = {
    "i1": "MET_CHAR",
    "u1": "MET_UCHAR",
    "i2": "MET_SHORT",
    "u2": "MET_USHORT",
    "i4": "MET_INT",
    "u4": "MET_UINT",
    "i8": "MET_LONG_LONG",
    "u8": "MET_ULONG_LONG",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}
TYPES = {"MET_LONG": "i4", "MET_ULONG": "u4", **{name: kind for kind, name in WRITTEN.items()}}
LONGEST_LINE, MOST_LINES = 1 << 16, 1000


@dataclass(frozen=True)
class Header:
    """The fields of a MetaImage header, as they stand there.

    Attributes:
        fields: by name; the header's last field is `ElementDataFile`.
        length: bytes up to where local voxels begin.
    """

    fields: dict[str, str]
    length: int

    def text(self, *names: str, default: str = "") -> str:
        """Return the first of the fields `names` that is there."""
        return next((self.fields[name] for name in names if name in self.fields), default)

    def numbers(self, *names: str) -> list[float]:
        """Return the numbers of the first of the fields `names` that is there, else none."""
        return [float(word) for word in self.text(*names).split()]

    def is_true(self, *names: str, default: bool = False) -> bool:
        """Tell whether the first of the fields `names` that is there says true."""
        return self.text(*names, default=str(default)).lower() in ("true", "t", "1", "yes")

    @property
    def sizes(self) -> list[int]:
        """Voxels along each stored axis, channels not included."""
        return [int(word) for word in self.text("DimSize").split()]

    @property
    def channels(self) -> int:
        """Numbers that each voxel consists of."""
        return int(self.text("ElementNumberOfChannels", default="1"))


def read(path: Path) -> Volume:
    """Read a volume.

    Args:
        path: a `.mha`, or a `.mhd` whose voxels lie in the same folder; raw, ASCII or zlib-compressed.

    Returns:
        (C, X, Y[, Z]) in Fortran order and native byte order; element channels, or a 4th axis, are the channels.
        LPS is turned to RAS+.

    Raises:
        DataError: when the file is damaged, cut short, lists several files, or points out of its folder.
    """
    header = _read_header(path)
    sizes, elements = header.sizes, header.channels
    if len(sizes) == 4 and elements > 1:
        raise DataError("has both a 4th axis and element channels")
    with _voxel_file(path, header) as file:
        voxels = _read_elements(file, header, elements * math.prod(sizes))
    if len(sizes) == 4:
        array = np.moveaxis(voxels.reshape(sizes, order="F"), -1, 0)
    else:
        array = voxels.reshape([elements, *sizes], order="F")
    return Volume(array, _grid_of(header), Source(path, NAME, header.fields))


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the header."""
    return _grid_of(_read_header(path))


def _read_header(path: Path) -> Header:
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        for _ in range(MOST_LINES):
            name, equals, value = file.readline(LONGEST_LINE).decode("utf-8", "replace").partition("=")
            if not equals:
                break
            fields[name.strip()] = value.strip()
            if name.strip() == "ElementDataFile":
                return _checked(Header(fields, file.tell()))
    raise DataError("has no whole MetaImage header: ElementDataFile is missing")


def _checked(header: Header) -> Header:
    if header.text("ObjectType", default="Image") != "Image" or not header.sizes:
        raise DataError("is no MetaImage: ObjectType = Image and DimSize are needed")
    if len(header.sizes) not in (2, 3, 4) or min(header.sizes) < 1:
        raise DataError(f"has DimSize {header.text('DimSize')}: 2, 3 or 4 axes of at least one voxel can be read")
    if header.channels < 1:
        raise DataError(f"has {header.channels} element channels (ElementNumberOfChannels): a volume has at least one")
    if header.text("ElementType") not in TYPES:
        raise DataError(f"has the ElementType {header.text('ElementType')!r}: only plain numbers can be read")
    return header


def _grid_of(header: Header) -> Grid:
    stored = len(header.sizes)
    dims = min(stored, 3)
    directions = np.eye(stored)
    if matrix := header.numbers("TransformMatrix", "Rotation", "Orientation"):
        directions = np.reshape(matrix, (stored, stored))
    spacing = np.array(header.numbers("ElementSpacing", "ElementSize") or [1.0] * stored)
    origin = header.numbers("Offset", "Position", "Origin") or [0.0] * stored
    if len(spacing) != stored or len(origin) != stored:
        raise DataError("has a spacing or offset with another number of axes than DimSize")
    # Row n of the matrix in the file is the direction of axis n.
    steps = directions[:dims, :dims] * spacing[:dims, None]
    return Grid(tuple(header.sizes[:dims]), affine_from_steps(steps, origin[:dims], space="LPS"))


def _voxel_file(path: Path, header: Header) -> IO[bytes]:
    name = header.text("ElementDataFile")
    if name.upper().startswith("LIST") or "%" in name:
        raise DataError("spreads its voxels over several files (ElementDataFile = LIST or a pattern): convert it first")
    if name.upper() == "LOCAL":
        file = path.open("rb")
        file.seek(header.length)
        return file
    if Path(name).name != name or "\\" in name or name in ("", ".", ".."):
        raise DataError(f"names voxels outside its own folder (ElementDataFile = {name}): put them beside it")
    beside = path.with_name(name)
    if not beside.is_file():
        raise DataError(f"needs its voxels {name} beside it")
    return beside.open("rb")


def _read_elements(file: IO[bytes], header: Header, count: int) -> NDArray[Any]:
    is_big = header.is_true("ElementByteOrderMSB", "BinaryDataByteOrderMSB")
    dtype = np.dtype((">" if is_big else "<") + TYPES[header.text("ElementType")])
    if not header.is_true("BinaryData", default=True):
        return parse_numbers(file.read(), count, dtype.newbyteorder("="))
    skip = int(header.text("HeaderSize", default="0"))
    if skip == -1:
        file.seek(max(0, os.fstat(file.fileno()).st_size - count * dtype.itemsize))  # the voxels end the file
    elif skip > 0 and header.text("ElementDataFile").upper() != "LOCAL":
        file.seek(skip)
    if not header.is_true("CompressedData"):
        return native(read_voxels(file, count * dtype.itemsize, "raw").view(dtype))
    encoding: Encoding = "gzip" if sniff_encoding(file) == "gzip" else "zlib"
    return native(read_voxels(file, count * dtype.itemsize, encoding).view(dtype))


def write(volume: Volume, path: Path) -> None:
    """Write a volume as a compressed `.mha`, RAS+ turned to LPS.

    Args:
        volume: its channels become element channels; bool is written as uint8, float16 as float32.
        path: the file to write.

    Raises:
        GeometryError: for a sheared grid, and for a 2D one that is tilted in space.
        DataError: for voxels that are not real numbers.
    """
    grid, dims = volume.grid, volume.grid.dims
    if grid.is_sheared:
        raise GeometryError("MetaImage holds no sheared grid (a tilted gantry): write .nii.gz or .nrrd")
    if dims == 2 and not grid.lies_flat:
        raise GeometryError("MetaImage holds no 2D image that is tilted or moved in 3D space: write .nii.gz or .nrrd")
    array = storable(volume.array)
    affine = np.diag([*SIGNS["LPS"], 1]) @ grid.affine + 0.0
    directions = (affine[:dims, :dims] / np.asarray(grid.spacing)).T
    deflated = zlib_deflate(fortran_bytes(array[0] if len(array) == 1 else array))
    fields = {
        "ObjectType": "Image",
        **({"Comment": volume.note} if volume.note else {}),
        "NDims": dims,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "True",
        "CompressedDataSize": len(deflated),
        "TransformMatrix": _words(directions),
        "Offset": _words(affine[:dims, 3]),
        "ElementSpacing": _words(np.array(grid.spacing)),
        "DimSize": " ".join(map(str, grid.shape)),
        "ElementNumberOfChannels": len(array),
        "ElementType": WRITTEN[array.dtype.str[1:]],
        "ElementDataFile": "LOCAL",
    }
    text = "".join(f"{name} = {value}\n" for name, value in fields.items())
    with path.open("wb") as file:
        file.write(text.encode())
        file.write(deflated)


def _words(numbers: NDArray[Any]) -> str:
    return " ".join(repr(float(number)) for number in numbers.ravel())


FORMAT = Format(NAME, (".mha", ".mhd"), read, read_grid, write, written=(".mha",))
