"""NRRD: .nrrd, and .nhdr with its voxels in a second file of the same folder; pynrrd parses the header."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.volumes.formats import Format
from segkit.volumes.formats._colour import without_alpha
from segkit.volumes.grid import SIGNS, Grid, affine_from_steps
from segkit.volumes.volume import Source, Volume
from segkit.volumes.voxel_bytes import (
    Encoding,
    fortran_bytes,
    gzip_writer,
    native,
    parse_numbers,
    read_voxels,
    storable,
)

NAME = "nrrd"
SPACES = {
    "right-anterior-superior": "RAS",
    "left-anterior-superior": "LAS",
    "left-posterior-superior": "LPS",
    **{name: name.upper() for name in ("ras", "las", "lps")},
}
TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "unsigned char, uchar, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "unsigned short, ushort, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "unsigned int, uint, uint32, uint32_t",
    "i8": "long long int, longlong, long long, signed long long, signed long long int, int64, int64_t",
    "u8": "unsigned long long int, ulonglong, unsigned long long, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
ENCODINGS: dict[str, Encoding] = {
    "raw": "raw",
    "gz": "gzip",
    "gzip": "gzip",
    "bz2": "bzip2",
    "bzip2": "bzip2",
}
TEXT = ("ascii", "text", "txt")
SPATIAL_KINDS = ("domain", "space", "???", "none")
LONGEST_HEADER = 1 << 20  # bytes
NOTE = "note"  # key of the pair that holds a volume's note


def read(path: Path) -> Volume:
    """Read a volume.

    Args:
        path: a `.nrrd`, or a `.nhdr` whose voxels lie in the same folder; raw, gzip, bzip2, ASCII or hex.

    Returns:
        (C, X, Y[, Z]) in native byte order. The axis without a direction, or of a kind such as `vector`, `list`,
        `RGB-color` or `time`, is the channels, wherever it stands.

    Raises:
        DataError: when the file is damaged, cut short, points out of its folder, or its axes cannot be told apart.
        GeometryError: when its affine is not invertible.
    """
    with path.open("rb") as file:
        header = _read_header(file)
        channel_axis = _channel_axis(header)
        if "datafile" in header:
            with _detached(path, str(header["datafile"])).open("rb") as beside:
                voxels = _read_values(beside, header)
        else:
            voxels = _read_values(file, header)
    stored = voxels.reshape(header["sizes"], order="F")
    array = stored[None] if channel_axis is None else np.moveaxis(stored, channel_axis, 0)
    array = array.reshape(array.shape[0], *_grid_of(header).shape)
    if channel_axis is not None and _kinds(header)[channel_axis] in ("rgba-color", "4-color"):
        array = without_alpha(array)
    return Volume(array, _grid_of(header), Source(path, NAME, header))


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the header."""
    with path.open("rb") as file:
        return _grid_of(_read_header(file))


def _read_header(file: IO[bytes]) -> dict[str, Any]:
    """Parse the header; field names lose their case and spaces, as the format lets writers choose both."""
    import nrrd

    lines = [file.readline(LONGEST_HEADER)]
    while lines[-1].strip() and file.tell() < LONGEST_HEADER:
        lines.append(file.readline(LONGEST_HEADER))
    parsed = nrrd.read_header([line.decode("utf-8", "replace") for line in lines])
    header = {name.replace(" ", "").lower(): value for name, value in parsed.items()}
    for name in ("type", "dimension", "sizes", "encoding"):
        if name not in header:
            raise DataError(f"has no field '{name}' in its NRRD header")
    header["sizes"] = [int(size) for size in header["sizes"]]
    if len(header["sizes"]) != header["dimension"] or min(header["sizes"], default=0) < 1:
        raise DataError(f"has sizes {header['sizes']} for {header['dimension']} axes")
    return header


def _kinds(header: dict[str, Any]) -> list[str]:
    kinds = [str(kind).lower() for kind in header.get("kinds", ["domain"] * header["dimension"])]
    if len(kinds) != header["dimension"]:
        raise DataError(f"has {len(kinds)} kinds for {header['dimension']} axes")
    return kinds


def _spatial_axes(header: dict[str, Any]) -> list[int]:
    kinds = _kinds(header)
    if "complex" in kinds:
        raise DataError("holds complex voxels: write real and imaginary parts as a vector")
    directions = header.get("spacedirections")
    if directions is not None:
        spatial = [axis for axis, step in enumerate(directions) if step is not None and np.isfinite(step).all()]
    else:
        spatial = [axis for axis, kind in enumerate(kinds) if kind in SPATIAL_KINDS]
    if len(spatial) not in (2, 3):
        raise DataError(
            f"has {len(spatial)} axes in space, not 2 or 3: its kinds must say which axis is a list or vector"
        )
    return spatial


def _channel_axis(header: dict[str, Any]) -> int | None:
    spatial = _spatial_axes(header)
    others = [axis for axis in range(header["dimension"]) if axis not in spatial]
    longer = [axis for axis in others if header["sizes"][axis] > 1]
    if len(longer) > 1:
        raise DataError(
            f"has sizes {header['sizes']} with {len(longer)} axes beyond space: only one can be the channels"
        )
    return next(iter(longer or others), None)


def _grid_of(header: dict[str, Any]) -> Grid:
    """Return the grid; where no anatomical space is named, LPS is meant, as ITK and 3D Slicer read it."""
    spatial = _spatial_axes(header)
    name = str(header.get("space", "lps")).lower()
    if name.endswith("-time"):
        raise DataError(f"lies in the space {name}: convert it to a list of volumes first")
    space = SPACES.get(name, "LPS")
    directions = header.get("spacedirections")
    if directions is None:
        steps, origin = _axis_aligned(header, spatial)
    else:
        steps = np.array([directions[axis] for axis in spatial], dtype=float)
        origin = np.zeros(len(steps[0]))
    origin = np.asarray(header.get("spaceorigin", origin), dtype=float)
    return Grid(tuple(header["sizes"][axis] for axis in spatial), affine_from_steps(steps, origin, space=space))


def _axis_aligned(header: dict[str, Any], spatial: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return steps and origin of a header without directions: spacings, and the axes' lowest borders if stated."""
    spacings = np.array(header.get("spacings", [1.0] * header["dimension"]), dtype=float)[spatial]
    origin = np.array(header.get("axismins", [0.0] * header["dimension"]), dtype=float)[spatial]
    if "axismins" in header:
        # A border lies half a voxel before the first centre, unless the header says that samples sit on nodes.
        centerings = header.get("centerings", ["cell"] * header["dimension"])
        is_cell = np.array([centerings[axis] != "node" for axis in spatial])
        origin += is_cell * spacings / 2
    return np.diag(spacings), origin


def _detached(path: Path, name: str) -> Path:
    if name.upper().startswith("LIST") or "%" in name:
        raise DataError("spreads its voxels over several files ('data file: LIST' or a pattern): convert it first")
    if Path(name).name != name.removeprefix("./") or "\\" in name:
        raise DataError(f"names voxels outside its own folder (data file: {name}): put them beside it")
    beside = path.with_name(Path(name).name)
    if not beside.is_file():
        raise DataError(f"needs its voxels {name} beside it")
    return beside


def _read_values(file: IO[bytes], header: dict[str, Any]) -> NDArray[Any]:
    count, encoding = math.prod(header["sizes"]), str(header["encoding"]).lower()
    dtype = _dtype_of(header)
    for _ in range(int(header.get("lineskip", 0))):
        if not file.readline():
            break  # a header may claim more lines than any file has
    if encoding in TEXT:
        return parse_numbers(file.read(), count, dtype.newbyteorder("="))
    if encoding == "hex":
        values = np.frombuffer(bytearray.fromhex(file.read().decode("ascii")), dtype)
        if values.size != count:
            raise DataError(f"holds {values.size} values where its header declares {count}")
        return native(values)
    if encoding not in ENCODINGS:
        raise DataError(f"has the encoding {encoding!r}: raw, gzip, bzip2, ascii and hex can be read")
    skip = int(header.get("byteskip", 0))
    if skip < 0:  # -1: the voxels end the file
        file.seek(max(0, os.fstat(file.fileno()).st_size - count * dtype.itemsize))
    return native(read_voxels(file, count * dtype.itemsize, ENCODINGS[encoding], skip=max(0, skip)).view(dtype))


def _dtype_of(header: dict[str, Any]) -> np.dtype[Any]:
    name = " ".join(str(header["type"]).lower().split())
    kind = next((kind for kind, names in TYPES.items() if name in names.split(", ")), None)
    if kind is None:
        raise DataError(f"has the type {name!r}: only plain numbers can be read")
    endian = str(header.get("endian", "little")).lower()
    if "endian" not in header and np.dtype(kind).itemsize > 1 and str(header["encoding"]).lower() not in TEXT:
        raise DataError("has no field 'endian' in its NRRD header")
    return np.dtype((">" if endian == "big" else "<") + kind)


def write(volume: Volume, path: Path) -> None:
    """Write a volume as a gzipped `.nrrd` in LPS, the space that ITK and 3D Slicer write; shear is kept.

    Args:
        volume: several channels become the first axis, of kind `vector`. bool is written as uint8, float16 as float32.
        path: the file to write.

    Raises:
        DataError: for voxels that are not real numbers.
    """
    array, dims = storable(volume.array), volume.grid.dims
    affine = np.diag([*SIGNS["LPS"], 1]) @ volume.grid.affine + 0.0
    has_channels = len(array) > 1
    sizes = array.shape if has_channels else array.shape[1:]
    # ITK reads a 2D image only in a 2D space, which has no name; LPS is then understood.
    space = "space dimension: 2" if volume.grid.lies_flat else "space: left-posterior-superior"
    components = 2 if volume.grid.lies_flat else 3
    vectors = [_vector(affine[:components, axis]) for axis in range(dims)]
    lines = [
        "NRRD0004",
        f"type: {TYPES[array.dtype.str[1:]].split(', ')[0]}",
        f"dimension: {len(sizes)}",
        space,
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join([*['none'] * has_channels, *vectors])}",
        f"kinds: {' '.join([*['vector'] * has_channels, *['domain'] * dims])}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(affine[:components, 3])}",
        *([f"{NOTE}:={volume.note}"] if volume.note else []),
    ]
    with path.open("wb") as file:
        file.write(("\n".join(lines) + "\n\n").encode("ascii", "replace"))
        with gzip_writer(file) as compressed:
            compressed.write(fortran_bytes(array if has_channels else array[0]))


def _vector(numbers: NDArray[Any]) -> str:
    return f"({','.join(repr(float(number)) for number in numbers)})"


FORMAT = Format(NAME, (".nrrd", ".nhdr"), read, read_grid, write, written=(".nrrd",))
