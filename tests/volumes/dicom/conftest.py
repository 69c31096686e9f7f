"""Series written with pydicom for the tests of the DICOM reader: classic, enhanced, compressed and broken ones."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import gdcm
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.exports import cases_in
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.selection import DEFAULTS, SeriesSelection
from segkit.volumes.dicom.series import find_series
from segkit.volumes.dicom.stacks import Stack
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from tests.volumes.dicom.drawn import changed

IDENTITIES = {"PatientName": "Quijote^Dulcinea", "PatientID": "MRN-4711", "PatientBirthDate": "19391224"}
ENHANCED = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage, "PT": EnhancedPETImageStorage}
NOISE_SHAPE = (33, 40)  # rows and columns: JPEG 2000 takes no fewer


class Maker:
    """Makes DICOM objects of 4 rows and 5 columns, an oblique CT unless told otherwise."""

    rows, columns = 4, 5
    row, column = np.array([0.96, 0.28, 0.0]), np.array([-0.28 * 0.8, 0.96 * 0.8, 0.6])
    normal = np.cross(row, column)
    origin = np.array([-100.0, 50.0, 25.0])
    step = 2.5 * normal
    series_uid, study_uid, frame_uid = (generate_uid(entropy_srcs=[name]) for name in ("series", "study", "frame"))
    uid = staticmethod(generate_uid)

    def stored(self, index: int = 0) -> np.ndarray:
        """Return the stored pixels of a slice, 100 * index + 10 * row + column."""
        row, column = np.mgrid[: self.rows, : self.columns]
        return (100 * index + 10 * row + column).astype(np.uint16)

    def expected(self, slices: int | Sequence[int] = 3) -> np.ndarray:
        """Return the stored pixels of slices as a reader gives them, (X, Y, Z)."""
        indices = range(slices) if isinstance(slices, int) else slices
        return np.stack([self.stored(index).T.astype(int) for index in indices], axis=-1)

    def bare(self, **changes: Any) -> Dataset:
        """Return an object without pixels."""
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID, header.SOPInstanceUID, header.Modality = CTImageStorage, generate_uid(), "CT"
        header.StudyInstanceUID, header.SeriesInstanceUID = self.study_uid, self.series_uid
        header.FrameOfReferenceUID, header.SeriesDescription, header.SeriesNumber = self.frame_uid, "thorax", 3
        return self.changed(header, **IDENTITIES, **changes)

    def changed(self, header: Dataset, **changes: Any) -> Dataset:
        """Set elements; None removes one."""
        return changed(header, **changes)

    def slice(self, index: int = 0, *, step: Any = None, pixels: Any = None, **changes: Any) -> Dataset:
        """Return a slice of `stored` pixels, 12 bits; InstanceNumber runs against the positions."""
        header = self.bare()
        header.InstanceNumber, header.ImageType = 100 - index, ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.PixelSpacing, header.SliceThickness = [0.7, 1.3], 9.0
        header.ImageOrientationPatient = [*self.row, *self.column]
        header.ImagePositionPatient = self.position(index, step)
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        stored, bits = (self.stored(index), {"bits": 12}) if pixels is None else (pixels, {})
        return self.changed(self.with_pixels(header, stored, **bits), **changes)

    def position(self, index: float, step: Any = None) -> list[float]:
        """Return where a slice lies."""
        place = self.origin + index * np.asarray(self.step if step is None else step)
        return [round(float(x), 6) for x in place]

    def with_pixels(
        self, header: Dataset, pixels: np.ndarray, *, bits: int = 0, high: int | None = None, **changes: Any
    ) -> Dataset:
        """Set pixels, one frame or several, and all that describes them; `syntax` comes before."""
        pixels = np.asarray(pixels)
        is_colour = pixels.shape[-1] == 3
        *frames, header.Rows, header.Columns = pixels.shape[:-1] if is_colour else pixels.shape
        if frames:
            header.NumberOfFrames = frames[0]
        allocated = 8 * pixels.itemsize
        header.SamplesPerPixel, header.PhotometricInterpretation = (3, "RGB") if is_colour else (1, "MONOCHROME2")
        if is_colour:
            header.PlanarConfiguration = 0
        header.BitsAllocated, header.BitsStored = allocated, bits or allocated
        header.HighBit = header.BitsStored - 1 if high is None else high
        header.PixelRepresentation = int(pixels.dtype.kind == "i")
        order = ">" if header.file_meta.TransferSyntaxUID == ExplicitVRBigEndian else "<"
        raw = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
        header.PixelData = raw + bytes(len(raw) % 2)
        header["PixelData"].VR = "OW" if allocated > 8 else "OB"
        return self.changed(header, **changes)

    def series(self, slices: int | Iterable[int] = 3, **changes: Any) -> list[Dataset]:
        """Return several slices."""
        return [self.slice(index, **changes) for index in (range(slices) if isinstance(slices, int) else slices)]

    def macros(self, **macros: dict[str, Any]) -> Dataset:
        """Return a functional group: each macro is a sequence of one dataset."""
        group = Dataset()
        for name, values in macros.items():
            setattr(group, name, [self.changed(Dataset(), **values)])
        return group

    def enhanced(
        self, places: Sequence[float], *, modality: str = "MR", frames: Sequence[dict[str, Any]] = (), **changes: Any
    ) -> Dataset:
        """Return a multi-frame object.

        Args:
            places: for each frame, in the order stored, its place in steps; its pixels are those of that `slice`.
            modality: CT, MR or PT.
            frames: further macros of each frame; `{"shared": {...}}` of the last one, where given, are shared.
            changes: elements of the header.
        """
        header = self.bare(Modality=modality, SOPClassUID=ENHANCED[modality], InstanceNumber=1)
        measures = {"PixelSpacing": [0.7, 1.3], "SliceThickness": 9.0, "SpacingBetweenSlices": 77.0}
        shared = {
            "PixelMeasuresSequence": measures,
            "PlaneOrientationSequence": {"ImageOrientationPatient": [*self.row, *self.column]},
        }
        own = [dict(each) for each in frames] or [{} for _ in places]
        shared |= own.pop()["shared"] if len(own) > len(places) else {}
        header.SharedFunctionalGroupsSequence = [self.macros(**shared)]
        header.PerFrameFunctionalGroupsSequence = [
            self.macros(**{"PlanePositionSequence": {"ImagePositionPatient": self.position(place)}, **each})
            for place, each in zip(places, own, strict=True)
        ]
        pixels = np.stack([self.stored(round(place)) for place in places])
        return self.changed(self.with_pixels(header, pixels, bits=12), **changes)

    def noise(self, kind: str, bits: int = 0) -> np.ndarray:
        """Return pixels of a type that span `bits`, with the lowest and the highest value among them."""
        of = np.dtype(kind)
        bits = bits or 8 * of.itemsize
        lowest, highest = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if of.kind == "i" else (0, (1 << bits) - 1)
        values = np.random.default_rng(bits).integers(lowest, highest, NOISE_SHAPE, endpoint=True).astype(of)
        values[0, :2] = lowest, highest
        return values

    def encoded(self, pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **changes: Any) -> Dataset:
        """Return a slice without rescale, compressed where the syntax asks for what pydicom encodes."""
        header = self.slice(pixels=np.zeros((2, 2), np.uint16), RescaleSlope=None, RescaleIntercept=None)
        is_packed = syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless)
        header.file_meta.TransferSyntaxUID = (
            ExplicitVRLittleEndian if is_packed or syntax == JPEGLosslessSV1 else syntax
        )
        self.with_pixels(header, pixels, **changes)
        if is_packed:
            header.compress(syntax, **({"encoding_plugin": "pydicom"} if syntax == RLELossless else {}))
        return header

    def save_encoded(self, path: Path, header: Dataset, syntax: str) -> Path:
        """Write a slice that `encoded` made; JPEG Lossless, which pydicom does not encode, is written by GDCM."""
        self.save_one(path, header)
        if syntax == JPEGLosslessSV1:
            reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
            reader.SetFileName(str(path))
            assert reader.Read()
            change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
            change.SetInput(reader.GetImage())
            assert change.Change()
            writer.SetFile(reader.GetFile())
            writer.SetImage(change.GetOutput())
            writer.SetFileName(str(path))
            assert writer.Write()
            assert dcmread(path).file_meta.TransferSyntaxUID == JPEGLosslessSV1
        return path

    def values_in(self, path: Path) -> np.ndarray:
        """Read a file of one slice as rows x columns, colours last."""
        array = read(path).array
        array = array[..., 0] if array.ndim == 4 else array
        return array[0].T if len(array) == 1 else array.transpose(2, 1, 0)

    def save(self, folder: Path, headers: Sequence[Dataset], names: Sequence[str] = ()) -> Path:
        """Write objects into a folder under names that tell nothing of their order."""
        folder.mkdir(parents=True, exist_ok=True)
        for number, header in enumerate(headers):
            name = names[number] if names else f"IM{(7 * number) % 11:03d}"
            self.save_one(folder / name, header)
        return folder

    def save_one(self, path: Path, header: Dataset) -> Path:
        """Write one object."""
        path.parent.mkdir(parents=True, exist_ok=True)
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.get("SOPInstanceUID") or generate_uid()
        header.save_as(path, enforce_file_format=True)
        return path

    def stacks(self, path: Path) -> list[Stack]:
        """Return every volume below a path."""
        return find_series(path)

    def read(self, path: Path, wanted: Any = None, **options: str) -> Volume:
        """Read the one volume below a path."""
        (case,) = self.cases(path, wanted, **options).values()
        return case.read()

    def cases(self, path: Path, wanted: Any = None, **options: str) -> dict[str, SeriesSelection]:
        """Return the cases below a path."""
        return cases_in(path, wanted, type(DEFAULTS)(**{**vars(DEFAULTS), **options}), workers=1)

    def file(self, path: Path) -> DicomFile:
        """Return a file as one that the reader opens."""
        return DicomFile(path)

    def refused(self, act: Callable[[], Any], *words: str, error: type[DataError] = DataError) -> str:
        """Make sure that something is refused in one line that holds `words` and names nobody; return the line."""
        with pytest.raises(error) as raised:
            act()
        message = str(raised.value)
        assert "\n" not in message
        for word in words:
            assert word in message
        for identity in IDENTITIES.values():
            for part in identity.split("^"):
                assert part.lower() not in message.lower()
        return message


@pytest.fixture(scope="session")
def maker() -> Maker:
    return Maker()


@pytest.fixture(scope="session")
def lps() -> Callable[[Volume, Sequence[int]], np.ndarray]:
    """Return a function from a volume and a voxel's index to where it lies, in DICOM's LPS."""

    def place(volume: Volume, index: Sequence[int]) -> np.ndarray:
        return (volume.affine @ [*index, 1])[:3] * [-1, -1, 1]

    return place
