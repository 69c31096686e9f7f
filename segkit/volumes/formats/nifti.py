"""NIfTI-1 and NIfTI-2, single files and .hdr/.img pairs, plain or gzipped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.formats import Format
from segkit.volumes.formats._colour import without_alpha
from segkit.volumes.formats._nifti_header import PAIR_MAGIC, Layout, grid_of, layout_of, parse_header, read_header
from segkit.volumes.grid import Grid
from segkit.volumes.volume import Source, Volume
from segkit.volumes.voxel_bytes import fortran_bytes, gzip_writer, native, read_voxels, sniff_encoding, storable

NAME = "nifti"
SLAB = 1 << 16  # voxels scaled at a time, so that the float64 between stays in the cache
LONGEST_NOTE = 79  # bytes of the header's description
LONGEST_AXIS = 32767  # voxels along an axis of NIfTI-1
# Header fields about the scan's own voxels or patient, which another array on its grid does not inherit.
OF_THE_VOXELS = (
    *("cal_max", "cal_min", "intent_code", "intent_p1", "intent_p2", "intent_p3", "intent_name", "toffset"),
    *("slice_code", "slice_start", "slice_end", "slice_duration", "descrip", "aux_file", "db_name", "data_type"),
)


def read(path: Path) -> Volume:
    """Read a volume.

    Args:
        path: a `.nii` or `.nii.gz` file, or either file of an `.hdr`/`.img` pair.

    Returns:
        (C, X, Y[, Z]) in Fortran order: stored integers in their dtype and in native byte order; with a slope
        float32, float64 where the file stores that. A 4th axis, or a 5th behind a 4th of length 1, is the channels;
        RGB is three. A header with 2 axes gives a 2D volume, (X, Y, 1) stays 3D.

    Raises:
        DataError: when the file is damaged, cut short, or holds complex voxels.
        GeometryError: when its affine is not invertible.
    """
    header_path, voxel_path = _pair(path)
    if header_path != voxel_path:
        header = read_header(header_path)
        with voxel_path.open("rb") as file:
            array = _read_array(file, layout_of(header))
    else:
        with path.open("rb") as file:
            header = parse_header(file)
            file.seek(0)
            array = _read_array(file, layout_of(header))
    return Volume(array, grid_of(header), Source(path, NAME, header))


def read_grid(path: Path) -> Grid:
    """Read shape and affine from the header."""
    return grid_of(read_header(_pair(path)[0]))


def _pair(path: Path) -> tuple[Path, Path]:
    """Return the files that hold the header and the voxels."""
    suffix = path.suffix
    if suffix.lower() not in (".hdr", ".img"):
        return path, path
    wanted = ".img" if suffix.lower() == ".hdr" else ".hdr"
    other = path.with_suffix(wanted.upper() if suffix.isupper() else wanted)
    if not other.is_file():
        raise DataError(f"needs {other.name} beside it: a pair of .hdr and .img is one volume")
    return (path, other) if wanted == ".img" else (other, path)


def _read_array(file: IO[bytes], layout: Layout) -> NDArray[Any]:
    stored = read_voxels(file, layout.byte_count, sniff_encoding(file), skip=layout.offset).view(layout.dtype)
    if layout.is_colour:
        return without_alpha(stored.reshape((layout.channels, *layout.shape), order="F"))
    voxels = _scaled(stored, layout)
    if voxels.dtype.itemsize > np.dtype(np.float64).itemsize:
        voxels = voxels.astype(np.float64)  # long double: no other part of segkit can use it
    return np.moveaxis(voxels.reshape((*layout.shape, layout.channels), order="F"), -1, 0)


def _scaled(stored: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """Apply slope and intercept in float64, as nibabel does, and keep the nearest float32."""
    if layout.slope is None:
        return native(stored)
    is_wide = layout.dtype.kind == "f" and layout.dtype.itemsize >= np.dtype(np.float64).itemsize
    voxels = np.empty(stored.size, np.float64 if is_wide else np.float32)
    for start in range(0, stored.size, SLAB):
        slab = stored[start : start + SLAB].astype(np.float64)
        slab *= layout.slope
        slab += layout.intercept
        with np.errstate(over="raise"):
            voxels[start : start + SLAB] = slab
    return voxels


def write(volume: Volume, path: Path) -> None:
    """Write a volume as `.nii` or `.nii.gz`.

    On the grid of the NIfTI file that it came from, the header keeps sform, qform, their codes, pixdim and units bit
    for bit; what may name a patient (description, auxiliary file) is left behind. Else sform and qform hold the
    affine with code 1; a sheared affine fits the sform alone, and the qform's code is 0.

    Args:
        volume: channels become the 4th axis; a 2D RGB picture becomes NIfTI's RGB voxels. bool is written as uint8,
            float16 as float32.
        path: the file to write.

    Raises:
        DataError: when NIfTI cannot hold the voxels.
        GeometryError: when a 2D volume has channels that are not RGB.
    """
    array = storable(volume.array)
    is_colour = volume.grid.dims == 2 and len(array) == 3 and array.dtype == np.uint8
    if volume.grid.dims == 2 and len(array) > 1 and not is_colour:
        raise GeometryError("NIfTI has no place for the channels of a 2D volume: write .tif or .nrrd")
    header = _header_for(volume, array, is_colour=is_colour)
    with path.open("wb") as file:
        if path.suffix.lower() == ".gz":
            with gzip_writer(file) as compressed:
                _write_to(compressed, header, array, is_colour=is_colour)
        else:
            _write_to(file, header, array, is_colour=is_colour)


def write_slabs(like: Volume, slabs: Iterable[NDArray[np.integer]], path: Path, *, step: float) -> None:
    """Write a `.nii.gz` of one channel that is never in memory as a whole.

    Args:
        like: gives grid and header, as in `write`.
        slabs: whole steps, shape (X, Y, planes), one after another along the last axis; one plane of a 2D grid.
        path: the file to write.
        step: value of a whole step; it goes into the header as slope.
    """
    rest = iter(slabs)
    first = next(rest)
    header = _header_for(like, first[None], is_colour=False)
    header["scl_slope"] = step
    with path.open("wb") as file, gzip_writer(file) as compressed:
        _write_to(compressed, header, first[None], is_colour=False)
        for slab in rest:
            compressed.write(fortran_bytes(slab))


def _header_for(volume: Volume, array: NDArray[Any], *, is_colour: bool) -> Any:
    header = _inherited(volume)
    if header is None:
        header = _from_affine(volume.grid)
    shape = volume.grid.shape if is_colour or len(array) == 1 else (*volume.grid.shape, len(array))
    # nibabel's own setter would reset pixdim beyond these axes, which a mask must keep.
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header.set_data_dtype(np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]) if is_colour else array.dtype)
    header["vox_offset"] = header.single_vox_offset
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["descrip"] = volume.note.encode("ascii", "replace")[:LONGEST_NOTE]
    return header


def _inherited(volume: Volume) -> Any | None:
    """Return the source's header without what was about its own voxels; None when the grid is another one."""
    if volume.source.format != NAME or volume.source.header is None:
        return None
    grid = grid_of(volume.source.header)
    if grid.shape != volume.grid.shape or not np.array_equal(grid.affine, volume.grid.affine):
        return None
    header = volume.source.header.as_byteswapped("<")
    if header["magic"].item() in PAIR_MAGIC:
        header["magic"] = type(header)()["magic"]
    for name in OF_THE_VOXELS:
        if name in header.keys():  # noqa: SIM118  (a nibabel header is not a dictionary)
            header[name] = 0 if header[name].dtype.kind in "iuf" else b""
    return header


def _from_affine(grid: Grid) -> Any:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    kind: Any = Nifti2Header if max(grid.shape) > LONGEST_AXIS else Nifti1Header
    header = kind(endianness="<")
    header.set_data_shape(grid.shape)
    header.set_sform(grid.affine, code=1)
    header["pixdim"][1:4] = np.linalg.norm(grid.affine[:3, :3], axis=0)
    if not grid.is_sheared:
        header.set_qform(grid.affine, code=1)
    header.set_xyzt_units("mm")
    return header


def _write_to(file: Any, header: Any, array: NDArray[Any], *, is_colour: bool) -> None:
    file.write(header.binaryblock)
    file.write(bytes(header.single_vox_offset - header.sizeof_hdr))  # the first of these bytes says: no extensions
    if is_colour:
        file.write(fortran_bytes(array))
        return
    for channel in array:
        file.write(fortran_bytes(channel))


FORMAT = Format(NAME, (".nii", ".nii.gz", ".hdr", ".img"), read, read_grid, write, written=(".nii", ".nii.gz"))
