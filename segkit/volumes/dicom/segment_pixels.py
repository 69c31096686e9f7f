"""The pixels of a DICOM SEG, decoded frame by frame; kept in memory as they are stored."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError
from segkit.foundation.machine import available_memory
from segkit.volumes.dicom.datasets import quietly, read_dataset, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.uids import DEFLATED, DEFLATED_FRAMES, EXPLICIT

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

SMALLEST_FRAME = 8  # bytes that an encapsulated frame takes at least: the header of its fragment
LISTED = 1000  # bytes that this program takes for a frame before any pixel is decoded
KEPT = 0.25  # of the free memory: decoded frames of a label map, which every segment is looked for in
ELEMENTS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"),
)


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """Frames of one object, read from the file when the first is asked for.

    Attributes:
        file: the object.
        rows: of every frame.
        columns: of every frame.
        count: number of frames.
        bits: allocated for a pixel: 1, 8 or 16.
        syntax: transfer syntax.
        keeps_decoded: whether decoded frames are kept, where they fit into a quarter of the free memory.
    """

    file: DicomFile
    rows: int
    columns: int
    count: int
    bits: int
    syntax: UID
    keeps_decoded: bool
    _decoded: dict[int, NDArray[Any]] = field(default_factory=dict, init=False, repr=False)

    def frame(self, index: int) -> NDArray[Any]:
        """Return the stored values of a frame, counted from 0, shape (rows, columns); not to be written to.

        Raises:
            DataError: when it cannot be decoded.
        """
        if index in self._decoded:
            return self._decoded[index]
        pixels = self._decode(index)
        if self._keeps:
            self._decoded[index] = pixels
        return pixels

    @property
    def is_encapsulated(self) -> bool:
        """Whether each frame is compressed by itself."""
        return self.syntax == DEFLATED_FRAMES or bool(self.syntax.is_encapsulated)

    @cached_property
    def _keeps(self) -> bool:
        size = self.count * self.rows * self.columns * max(1, self.bits // 8)
        return self.keeps_decoded and self.is_encapsulated and size < KEPT * available_memory()

    def _decode(self, index: int) -> NDArray[Any]:
        failure: Exception | None = None
        for decode in self._ways():
            try:
                with quietly():
                    pixels = np.asarray(decode(index))
            except DataError:
                raise
            except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
                failure = error
                continue
            if pixels.shape == (self.rows, self.columns) and pixels.dtype.kind in "biu":
                return pixels
        raise DataError(self._undecodable(index)) from failure

    def _ways(self) -> tuple[Callable[[int], NDArray[Any]], ...]:
        """Return what decodes a frame; pydicom alone serves where highdicom is missing or gives up."""
        if self.syntax == DEFLATED_FRAMES:
            return (self._inflated,)
        if self.is_encapsulated:
            return self._by_highdicom, self._by_pydicom
        # pydicom 3.0.2 returns wrong bits of frames that begin within a byte.
        return (self._native,)

    def _undecodable(self, index: int) -> str:
        from pydicom.pixels.decoders.base import get_decoder

        what = f"{self.file}: frame {index + 1}, in transfer syntax {self.syntax.name} ({self.syntax}),"
        try:
            known = self.syntax == DEFLATED_FRAMES or get_decoder(self.syntax).is_available
        except NotImplementedError:
            known = False
        if known:
            return f"{what} is damaged: none of the decoders installed can read it"
        return f"{what} needs a decoder that is not installed: pip install 'segkit[dicom]'"

    def _by_highdicom(self, index: int) -> NDArray[Any]:
        from highdicom.frame import decode_frame

        return decode_frame(
            self._encoded(index),
            str(self.syntax),
            rows=self.rows,
            columns=self.columns,
            samples_per_pixel=1,
            bits_allocated=self.bits,
            bits_stored=int(self._dataset.get("BitsStored") or self.bits),
            photometric_interpretation=str(self._dataset.get("PhotometricInterpretation") or "MONOCHROME2"),
            index=index,
        )

    def _by_pydicom(self, index: int) -> NDArray[Any]:
        from pydicom.pixels.decoders.base import get_decoder

        pixels, _ = get_decoder(self.syntax).as_array(self._dataset, index=index, raw=True)
        return pixels

    def _native(self, index: int) -> NDArray[Any]:
        first_bit = index * self.rows * self.columns * self.bits % 8
        return self._unpacked(self._encoded(index), first_bit)

    def _inflated(self, index: int) -> NDArray[Any]:
        """Unpack a frame that was deflated (RFC 1951) by itself; what is longer than a frame is not unpacked."""
        length = -(-self.rows * self.columns * self.bits // 8)
        return self._unpacked(zlib.decompressobj(-zlib.MAX_WBITS).decompress(self._encoded(index), length), 0)

    def _unpacked(self, stored: bytes, first_bit: int) -> NDArray[Any]:
        size = self.rows * self.columns
        if self.bits == 1:
            pixels = np.unpackbits(np.frombuffer(stored, np.uint8), bitorder="little")[first_bit : first_bit + size]
        else:
            order = "<" if self.syntax == DEFLATED_FRAMES or self.syntax.is_little_endian else ">"
            pixels = np.frombuffer(stored, f"{order}u{self.bits // 8}")
        return pixels.reshape(self.rows, self.columns)

    def _encoded(self, index: int) -> bytes:
        """Return a frame's bytes as stored; where it begins within a byte, the whole byte."""
        if self.is_encapsulated:
            return self._fragments[index]
        start, size = (count * self.rows * self.columns * self.bits for count in (index, 1))
        stored: bytes = self._dataset.PixelData[start // 8 : -(-(start + size) // 8)]
        return stored

    @cached_property
    def _fragments(self) -> list[bytes]:
        from pydicom.encaps import generate_frames

        offsets = self._dataset.get("ExtendedOffsetTable"), self._dataset.get("ExtendedOffsetTableLengths")
        extended = None if None in offsets else offsets
        return list(generate_frames(self._dataset.PixelData, number_of_frames=self.count, extended_offsets=extended))

    @cached_property
    def _dataset(self) -> Dataset:
        """The pixel module of the object.

        Raises:
            DataError: when there are fewer pixels than the header says.
        """
        dataset = read_dataset(self.file, pixels=True, only=ELEMENTS)
        held, due = len(dataset.get("PixelData") or b""), -(-self.count * self.rows * self.columns * self.bits // 8)
        if held == 0 or (held < due and not self.is_encapsulated):
            raise DataError(f"{self.file}: {tag_of('PixelData')} holds {held} bytes where the header asks for {due}")
        # Required, but not always there; pydicom decodes nothing without them.
        for keyword, value in (("SamplesPerPixel", 1), ("PixelRepresentation", 0), ("BitsStored", self.bits)):
            if dataset.get(keyword) is None:
                setattr(dataset, keyword, value)
        return dataset


def read_pixels(header: Dataset, file: DicomFile, *, keeps_decoded: bool) -> StoredPixels:
    """Describe the pixels of an object by its header, and check sizes against the file before memory is taken.

    Raises:
        DataError: when the header asks for what the file cannot hold, or more than the memory that is free.
    """
    from pydicom.uid import UID

    sizes = [int(header.get(keyword) or 0) for keyword in ("Rows", "Columns", "BitsAllocated")]
    rows, columns, bits = sizes
    if min(sizes) < 1 or bits not in (1, 8, 16) or int(header.get("SamplesPerPixel") or 1) != 1:
        raise DataError(f"{file}: {tag_of('Rows')}, Columns, BitsAllocated and SamplesPerPixel describe no segments")
    syntax = UID(str(header.file_meta.get("TransferSyntaxUID") or EXPLICIT))
    count = max(1, int(header.get("NumberOfFrames") or 1))
    pixels = StoredPixels(file, rows, columns, count, bits, syntax, keeps_decoded)
    one = rows * columns * max(1, bits // 8)
    if pixels.is_encapsulated:
        least, memory = count * SMALLEST_FRAME, one
    else:
        least = memory = count * rows * columns * bits // 8
    memory = max(memory, count * LISTED)
    if least > file.size and syntax != DEFLATED:
        raise DataError(f"{file}: is cut short: {count} frames ({tag_of('NumberOfFrames')}) do not fit into the file")
    if memory > available_memory():
        raise DataError(f"{file}: would take {memory / 1e9:.1f} GB to decode, more memory than is free")
    return pixels
