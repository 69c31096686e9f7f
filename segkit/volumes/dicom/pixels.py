"""From stored pixels to voxels: decoded one frame at a time, unused bits dropped, rescaled into the smallest type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.foundation.machine import available_memory
from segkit.foundation.memory_size import size_text
from segkit.volumes.dicom.datasets import guarded, quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.frames import PLACED
from segkit.volumes.dicom.instances import Encoding, Frame, Instance, Plane
from segkit.volumes.dicom.rescaling import rescaled, stored_type
from segkit.volumes.dicom.uids import BIG_ENDIAN, DEFLATED, RLE

KEEP, LOWEST = "keep", "lowest"
PALETTE = "PALETTE COLOR"
GREY = ("MONOCHROME1", "MONOCHROME2", "")
EXTRA = "pip install 'segkit[dicom]'"
LIBJPEG = "pip install pylibjpeg pylibjpeg-libjpeg (its licence is the GPL)"
READERS = 4  # files at a time


def voxels_of(planes: Sequence[Plane], *, padding: str = KEEP) -> NDArray[Any]:
    """Decode the planes of a volume.

    Args:
        planes: in the order wanted.
        padding: what becomes of pixels that the scanner marked as outside its view (PixelPaddingValue): `keep` them as
            stored, or give them the `lowest` value of the others.

    Returns:
        shape (C, columns, rows, planes), C = 1 or 3 of colours: integers where slopes and intercepts are whole, of the
        smallest type that holds them, the stored one first; else float32.

    Raises:
        DataError: when pixels cannot be decoded, or do not fit into memory; the message names file and tag.
    """
    encoding = planes[0].instance.encoding
    samples = (3,) if encoding.samples == 3 or encoding.photometric == PALETTE else ()
    columns, rows = encoding.shape
    stored = stored_type(planes)
    _check_memory(planes[0].instance.file, rows * columns * math.prod(samples) * stored.itemsize * len(planes))
    stack = np.empty((len(planes), rows, columns, *samples), stored)
    places: dict[DicomFile, list[int]] = {}
    for place, plane in enumerate(planes):
        places.setdefault(plane.instance.file, []).append(place)
    plain = [there for there in places.values() if _is_native(planes[there[0]].instance.encoding)]
    with ThreadPoolExecutor(READERS) as pool:  # files are read, and memory is touched, side by side
        for job in [pool.submit(_fill, stack, there, planes) for there in plain]:
            job.result()
    for there in places.values():
        if there not in plain:  # pydicom changes settings of the whole process
            _fill(stack, there, planes)
    if padding == LOWEST:
        _lower_padding(stack, planes)
    array = rescaled(stack, [plane.frame.rescale for plane in planes]).transpose()
    return array if array.ndim == 4 else array[None]


def _lower_padding(stack: NDArray[Any], planes: Sequence[Plane]) -> None:
    """Give padded pixels the lowest of the values that were measured."""
    marked = [
        (values, padding)
        for values, plane in zip(stack, planes, strict=True)
        if (padding := _padding(plane)) is not None
    ]
    seen = [values[values != padding] for values, padding in marked]
    lowest = min((values.min() for values in seen if values.size), default=None)
    for values, padding in marked:
        if lowest is not None:
            values[values == padding] = lowest


def _padding(plane: Plane) -> int | None:
    """Return PixelPaddingValue as decoded; writers disagree whether it is signed, the pixels are what counts."""
    value, encoding = plane.instance.padding, plane.instance.encoding
    if value is None:
        return None
    values = 1 << encoding.allocated
    stored = value % values
    stored -= values if encoding.is_signed and stored >= values // 2 else 0
    return _turning_point(encoding) - stored if is_inverted(plane.instance) else stored


def _check_memory(file: DicomFile, wanted: int) -> None:
    if wanted > available_memory():
        raise DataError(
            f"{file}: {tag_of('Rows')} x {tag_of('Columns')} of all slices ask for {size_text(wanted)}, "
            f"{size_text(available_memory())} are free"
        )


def _fill(stack: NDArray[Any], places: Sequence[int], planes: Sequence[Plane]) -> None:
    """Decode the wanted frames of one object into their places."""
    instance, wanted = planes[places[0]].instance, [(place, planes[place].frame) for place in places]
    encoding = instance.encoding
    if _is_ready(encoding, stack.dtype) and not is_inverted(instance):
        _read_into(stack, wanted, instance)
        return
    indices = sorted({frame.index for _, frame in wanted})
    for index, pixels in _decoded(instance, indices):
        if pixels.shape != (encoding.rows, encoding.columns, *stack.shape[3:]):
            raise DataError(
                f"{instance.file}: {tag_of('PixelData')} decodes to {pixels.shape}, not what Rows and Columns say"
            )
        for place, frame in wanted:
            if frame.index == index:
                stack[place] = _tile(pixels, frame, encoding)


def _tile(pixels: NDArray[Any], frame: Frame, encoding: Encoding) -> NDArray[Any]:
    if frame.tile < 0:
        return pixels
    columns, rows = encoding.shape
    down, across = divmod(frame.tile, encoding.tiles)
    return pixels[down * rows : (down + 1) * rows, across * columns : (across + 1) * columns]


def _decoded(instance: Instance, indices: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield frames of an object as stored values, (rows, columns) or (rows, columns, 3)."""
    encoding = instance.encoding
    frames = _native(instance, indices) if _is_native(encoding) else _by_pydicom(instance, indices)
    for index, pixels in frames:
        yield index, _inverted(pixels, encoding) if is_inverted(instance) else pixels


def is_inverted(instance: Instance) -> bool:
    """Tell whether values are turned so that larger is brighter: MONOCHROME1 of anything but CT, MR and PET.

    Those three measure something, and what they measure does not turn with how it is shown; nor does floating point.
    """
    is_negative = instance.encoding.photometric == "MONOCHROME1" and not instance.encoding.is_float
    return is_negative and instance.modality not in PLACED


def _inverted(pixels: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    if encoding.has_lut:  # what a table gives may need more bits than were stored
        return np.asarray(np.iinfo(pixels.dtype).max - pixels)
    return np.asarray(_turning_point(encoding) - pixels.astype(np.int64)).astype(pixels.dtype)


def _turning_point(encoding: Encoding) -> int:
    """Return the sum of the lowest and the highest value that can be stored."""
    return -1 if encoding.is_signed else (1 << encoding.stored) - 1


def _is_ready(encoding: Encoding, kind: np.dtype[Any]) -> bool:
    """Tell whether pixels are stored just as the stack holds them, so that they need not pass through other hands."""
    is_alike = kind == _stored_kind(encoding) and encoding.stored == encoding.allocated and encoding.tiles == 1
    return _is_native(encoding) and is_alike


def _read_into(stack: NDArray[Any], wanted: Sequence[tuple[int, Frame]], instance: Instance) -> None:
    encoding = instance.encoding
    with guarded(instance.file), instance.file.open() as stream:
        for place, frame in wanted:
            stream.seek(encoding.start + frame.index * encoding.frame_bytes)
            if _filled(stream, stack[place]) != encoding.frame_bytes:
                raise DataError(f"{instance.file}: is cut short inside its {tag_of('PixelData')}")


def _filled(stream: IO[bytes], target: NDArray[Any]) -> int:
    """Read into an array until it is full or the file ends; return the bytes read."""
    room, done = target.reshape(-1).view(np.uint8).data, 0
    while done < len(room):
        count = stream.readinto(room[done:])  # type: ignore[attr-defined]
        if not count:
            break
        done += count
    return done


def _is_native(encoding: Encoding) -> bool:
    # Bytes of big endian files may be swapped within words of 16 bits (PS3.5, 8.1.1).
    sizes = (16, 32) if encoding.syntax == BIG_ENDIAN else (8, 16, 32)
    is_plain = encoding.samples == 1 and encoding.photometric in GREY and encoding.allocated in sizes
    return encoding.start >= 0 and is_plain and not encoding.has_lut and not encoding.is_float


def _stored_kind(encoding: Encoding) -> np.dtype[Any]:
    order = ">" if encoding.syntax == BIG_ENDIAN else "<"
    return np.dtype(f"{order}{'i' if encoding.is_signed else 'u'}{encoding.allocated // 8}")


def _native(instance: Instance, indices: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Read frames where they lie in the file, without its header being parsed again."""
    encoding = instance.encoding
    kind = _stored_kind(encoding)
    with guarded(instance.file), instance.file.open() as stream:
        for index in indices:
            stream.seek(encoding.start + index * encoding.frame_bytes)
            raw = np.frombuffer(stream.read(encoding.frame_bytes), kind)
            if raw.size != encoding.rows * encoding.columns:
                raise DataError(f"{instance.file}: is cut short inside its {tag_of('PixelData')}")
            yield index, _used_bits(raw.reshape(encoding.rows, encoding.columns), encoding)


def _used_bits(raw: NDArray[Any], encoding: Encoding) -> NDArray[Any]:
    """Drop the bits that hold no pixel (old overlays, garbage), and spread the sign (PS3.5, 8.1.1)."""
    unused = encoding.allocated - encoding.stored
    if unused <= 0:
        return raw
    above = encoding.allocated - 1 - encoding.high
    raw = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return (raw << above) >> unused  # an arithmetic shift of signed types


def _by_pydicom(instance: Instance, indices: Sequence[int]) -> Iterator[tuple[int, NDArray[Any]]]:
    from pydicom.pixels.utils import iter_pixels

    header, encoding = read_dataset(instance.file, pixels=True), instance.encoding
    has_words = (encoding.start >= 0 or encoding.syntax in (DEFLATED, RLE)) and not encoding.is_float
    if has_words:  # pydicom does not mind HighBit, `_used_bits` does
        header.BitsStored = encoding.allocated
    with quietly():
        try:
            for index, pixels in zip(indices, iter_pixels(header, indices=indices), strict=True):
                used = _used_bits(pixels, encoding) if has_words else pixels
                yield index, _looked_up(np.asarray(used), header, encoding)
        except DataError:
            raise
        except Exception as error:
            raise undecodable(instance.file, instance.encoding.syntax, error) from error


def _looked_up(pixels: NDArray[Any], header: Any, encoding: Encoding) -> NDArray[Any]:
    """Return pixels after the tables that stand between them and their values: a palette's, the Modality LUT's."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    if encoding.photometric == PALETTE:
        return _eight_bits(apply_color_lut(pixels, header))
    return np.asarray(apply_modality_lut(pixels, header)) if encoding.has_lut else pixels


def _eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Return colours of a palette with 16 bits an entry as 8 bits."""
    return np.asarray(colours >> 8 if colours.dtype.itemsize == 2 else colours).astype(np.uint8)[..., :3]


def undecodable(file: DicomFile, syntax: str, error: Exception) -> DataError:
    """Return the error for pixels that cannot be decoded: no decoder is installed, none exists, or they are damaged."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    name = f"{UID(syntax).name} ({tag_of('TransferSyntaxUID')} {syntax})"
    where = f"{file}: {tag_of('PixelData')}"
    try:
        is_available = get_decoder(UID(syntax)).is_available
    except NotImplementedError:
        return DataError(f"{where} is {name}, which nothing here decodes: convert it with gdcmconv or dcmdjpeg first")
    if not is_available:
        return DataError(f"{where} is {name}, for which no decoder is installed: {EXTRA}")
    if "does not support" in str(error):
        return DataError(f"{where} is {name} of a kind that needs another decoder: {LIBJPEG}")
    return DataError(f"{where} ({name}) is cut short or damaged")
