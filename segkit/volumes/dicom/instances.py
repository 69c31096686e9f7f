"""What segkit keeps of a header: an instance (one DICOM object with an image) and its frames (planes of pixels)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segkit.volumes.dicom.files import DicomFile

# What may tell frames in the same place apart, most telling first. Each name is how tables and errors call it.
TRAITS = (
    "stack",
    "image type",
    "echo time",
    "time point",
    "b-value",
    "gradient",
    "trigger time",
    "inversion time",
    "flip angle",
    "energy",
    "kernel",
    "acquisition",
    "acquisition time",
)
Trait = str | float | None


@dataclass(frozen=True)
class Place:
    """Where a frame lies in the patient.

    Attributes:
        position: centre of its first pixel, LPS mm.
        axes: unit vectors along a row and along a column in LPS, six numbers.
        step: vector in mm from slice to slice where the object states one (Siemens mosaics), else None.
    """

    position: tuple[float, float, float]
    axes: tuple[float, ...]
    step: tuple[float, float, float] | None = None

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit normal of the plane, LPS."""
        return np.cross(self.axes[:3], self.axes[3:])


@dataclass(frozen=True)
class Frame:
    """One plane of pixels.

    Attributes:
        index: of the frame in its object, from 0.
        tile: place in a Siemens mosaic, from 0; -1: the frame is one plane.
        place: where it lies; None of a picture without a place in the patient.
        spacing: mm between columns and between rows; None where nothing says.
        thickness: SliceThickness in mm.
        rescale: slope and intercept from stored to real values.
        traits: one value for each of `TRAITS`.
    """

    index: int
    tile: int
    place: Place | None
    spacing: tuple[float, float] | None
    thickness: float | None
    rescale: tuple[float, float]
    traits: tuple[Trait, ...]


@dataclass(frozen=True)
class Encoding:
    """How pixels are stored.

    Attributes:
        syntax: UID of the transfer syntax.
        rows, columns: of a frame as stored (a mosaic's whole sheet).
        frames: NumberOfFrames.
        samples: 1, or 3 of colours.
        photometric: PhotometricInterpretation.
        allocated, stored, high: BitsAllocated, BitsStored, HighBit.
        is_signed: PixelRepresentation.
        start: byte in the file where native pixels begin; -1 where they are encapsulated or deflated.
        length: bytes of pixel data as declared; -1 of undefined length.
        is_float: whether pixels are stored as FloatPixelData or DoubleFloatPixelData.
        has_lut: whether values are mapped by a Modality LUT.
        tiles: how many tiles a mosaic's sheet has along each side; 1 of other images.
    """

    syntax: str
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    high: int
    is_signed: bool
    start: int
    length: int
    is_float: bool
    has_lut: bool
    tiles: int = 1

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in native encoding."""
        per_pixel = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return (self.rows * self.columns * per_pixel * self.allocated + 7) // 8

    @property
    def shape(self) -> tuple[int, int]:
        """Columns and rows of one plane."""
        return self.columns // self.tiles, self.rows // self.tiles


@dataclass(frozen=True)
class Instance:
    """One DICOM object with an image.

    Attributes:
        file: where it lies.
        uid, series, study, frame_of_reference: SOPInstanceUID, SeriesInstanceUID and so on; "" where missing.
        patient: a hash of the PatientID, never the ID itself.
        kind: name of the SOP class.
        modality, description: of the series.
        series_number, number: SeriesNumber and InstanceNumber; None where missing.
        image_type: values of ImageType, as of the first frame.
        encoding: how its pixels are stored.
        frames: its planes, in the order stored.
        padding: PixelPaddingValue as stored; None where there is none.
        fault: why it can be no part of a volume, in one line with the tag; "" where nothing is wrong.
    """

    file: DicomFile
    uid: str
    series: str
    study: str
    frame_of_reference: str
    patient: str
    kind: str
    modality: str
    description: str
    series_number: int | None
    number: int | None
    image_type: tuple[str, ...]
    encoding: Encoding
    frames: tuple[Frame, ...]
    padding: int | None = None
    fault: str = ""

    @property
    def series_key(self) -> str:
        """What the objects of one series share: the SeriesInstanceUID; without one each object stands for itself."""
        return self.series or str(self.file)

    @property
    def is_localizer(self) -> bool:
        """Whether it is a scout view, on which slices were planned."""
        return "LOCALIZER" in self.image_type


@dataclass(frozen=True)
class Other:
    """One DICOM object without an image of its own: a structure set, a segmentation, a report ...

    Attributes:
        file: where it lies.
        modality: e.g. `SEG`, `RTSTRUCT`, `SR`.
    """

    file: DicomFile
    modality: str


@dataclass(frozen=True, eq=False)
class Plane:
    """A frame with the object that holds it."""

    instance: Instance
    frame: Frame

    @cached_property
    def position(self) -> NDArray[np.float64]:
        """Centre of the first pixel, LPS mm."""
        return np.array(self.frame.place.position if self.frame.place else (0.0, 0.0, 0.0))

    def trait(self, name: str) -> Trait:
        """Return the value of one of `TRAITS`."""
        return self.frame.traits[TRAITS.index(name)]


def hashed(identifier: str, *, digits: int = 10) -> str:
    """Return a word that stands for an identifier, which it does not tell; a letter comes first, so it is no number."""
    return f"s{hashlib.sha256(identifier.encode()).hexdigest()[:digits]}"
