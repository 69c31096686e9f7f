"""The frames of an object: one of a classic image, many of an enhanced one through its functional groups."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import numbers, tag_of
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.instances import Frame, Place, Trait
from segkit.volumes.dicom.planes import place_of, spacing_of, thickness_of

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
# Images of these modalities always lie in a patient (PS3.3, the Image Plane module is mandatory): one without a place
# is damaged. Others (ultrasound, X-ray, photographs, microscopy) may be pictures.
PLACED = ("CT", "MR", "PT")
PICTURE_SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
SECONDARY = "SECONDARY"
PHILIPS_SCALE = 0x2005100E  # private: MR scale slope


class Groups:
    """The functional groups of one frame: attributes are looked up in its own macros, then in the shared ones.

    Attributes:
        macros: datasets of the macros' sequences, the frame's own first; the header itself comes last.
    """

    def __init__(self, own: Any, shared: Any, header: Any) -> None:
        """Collect the macros of a frame.

        Args:
            own: its member of PerFrameFunctionalGroupsSequence, or None.
            shared: the member of SharedFunctionalGroupsSequence, or None.
            header: the object's dataset.
        """
        macros = (element.value for group in (own, shared) if group is not None for element in group)
        self.macros = [macro[0] for macro in macros if isinstance(macro, Sequence) and len(macro) and _is_group(macro)]
        self.macros.append(header)

    def get(self, keyword: str | int, default: Any = None) -> Any:
        """Return the first value that a macro holds, as `Dataset.get` does."""
        for macro in self.macros:
            if keyword in macro:
                return macro.get(keyword)
        return default


def _is_group(macro: Any) -> bool:
    return hasattr(macro[0], "keys") and hasattr(macro[0], "get")


def is_enhanced(header: Any) -> bool:
    """Tell whether an object describes its frames by functional groups."""
    return bool(header.get(PER_FRAME))


def frames_of(header: Any, count: int, file: DicomFile) -> tuple[Frame, ...]:
    """Return the frames of an object, in the order stored.

    Raises:
        DataError: when it has another number of frames than functional groups, or one has no place that should.
    """
    if not is_enhanced(header):
        frame = frame_of(header, header, 0, file)
        if count > 1 and frame.place is not None:
            raise DataError(f"{file}: holds {count} frames without {tag_of(PER_FRAME)}, so their places are unknown")
        return tuple(frame if index == 0 else _at(frame, index) for index in range(count))
    groups, shared = header.get(PER_FRAME), header.get(SHARED)
    if len(groups) != count:
        raise DataError(f"{file}: {tag_of('NumberOfFrames')} is {count}, {tag_of(PER_FRAME)} describes {len(groups)}")
    common = shared[0] if shared else None
    return tuple(frame_of(Groups(own, common, header), header, index, file) for index, own in enumerate(groups))


def _at(frame: Frame, index: int) -> Frame:
    return Frame(index, frame.tile, frame.place, frame.spacing, frame.thickness, frame.rescale, frame.traits)


def frame_of(attributes: Any, header: Any, index: int, file: DicomFile) -> Frame:
    """Return one frame.

    Args:
        attributes: its functional groups, or the header of a classic image.
        header: the object's dataset.
        index: from 0.
        file: names the object in errors.
    """
    place = _place(attributes, header, file)
    spacing = spacing_of(attributes, file) if place else _picture_spacing(attributes, file)
    if place is not None and spacing is None:
        raise DataError(f"{file}: has no {tag_of('PixelSpacing')}, so its place in the patient is unknown")
    thickness = thickness_of(attributes, file)
    return Frame(index, -1, place, spacing, thickness, rescale_of(attributes, file), traits_of(attributes))


def _place(attributes: Any, header: Any, file: DicomFile) -> Place | None:
    """Return where a frame lies; None of a picture."""
    is_placed = any(attributes.get(keyword) for keyword in ("ImagePositionPatient", "ImageOrientationPatient"))
    is_captured = SECONDARY in (header.get("ImageType") or ()) and "Secondary Capture" in _class_name(header)
    if not is_placed and (str(header.get("Modality", "")) not in PLACED or is_captured):
        return None
    return place_of(attributes, file)


def _class_name(header: Any) -> str:
    from pydicom.uid import UID

    return UID(str(header.get("SOPClassUID", ""))).name


def _picture_spacing(attributes: Any, file: DicomFile) -> tuple[float, float] | None:
    for keyword in PICTURE_SPACINGS:
        found = spacing_of(attributes, file, keyword)
        if found is not None:
            return found
    return None


def rescale_of(attributes: Any, file: DicomFile) -> tuple[float, float]:
    """Return the slope and intercept from stored to real values, 1 and 0 where nothing is said.

    These are RescaleSlope and RescaleIntercept; for magnitude images of Philips MR the floating-point values that
    dcm2niix gives too, which unlike the rescaled ones mean the same in every scan of a session.

    Raises:
        DataError: when the slope is 0.

    Source: Chenevert et al. 2014, Translational Oncology 7(1), FP = (stored * RS + RI) / (RS * SS).
    """
    slope = (numbers(attributes, "RescaleSlope", 1, file) or (1.0,))[0]
    intercept = (numbers(attributes, "RescaleIntercept", 1, file) or (0.0,))[0]
    if slope == 0:
        raise DataError(f"{file}: {tag_of('RescaleSlope')} is 0")
    scale = _philips_scale(attributes)
    return (slope, intercept) if scale is None else (1 / scale, intercept / (slope * scale))


def _philips_scale(attributes: Any) -> float | None:
    """Return Philips' private scale slope SS of a magnitude image; None of any other."""
    element = attributes.get(PHILIPS_SCALE)
    value = getattr(element, "value", element)
    if isinstance(value, bytes) and len(value) == struct.calcsize("<f"):
        (value,) = struct.unpack("<f", value)
    kind = str(_frame_type(attributes) or "")
    is_magnitude = not any(
        word in kind for word in ("PHASE", "REAL", "IMAGINARY", "VELOCITY", "FIELD_MAP", "B0", "_P_")
    )
    return float(value) if isinstance(value, float) and value > 0 and is_magnitude else None


def traits_of(attributes: Any) -> tuple[Trait, ...]:
    """Return what may tell frames in the same place apart, in the order of `TRAITS`."""
    return tuple(_trait(attributes, *keys) for keys in _TRAIT_KEYS)


def _trait(attributes: Any, *keys: str | int | Callable[[Any], Trait]) -> Trait:
    for key in keys:
        value = key(attributes) if callable(key) else attributes.get(key)
        value = getattr(value, "value", value) if isinstance(key, int) else value
        if value not in (None, "", b""):
            return _plain(value)
    return None


def _plain(value: Any) -> Trait:
    """Return a number where there is one, else text."""
    if isinstance(value, str | bytes):
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        return _number(text.strip())
    try:
        return float(value)
    except (TypeError, ValueError):
        return "\\".join(str(part) for part in value)


def _number(text: str) -> Trait:
    try:
        return float(text)
    except ValueError:
        return text


def _frame_type(attributes: Any) -> Trait:
    parts = attributes.get("FrameType") or attributes.get("ImageType") or ()
    kept = [str(part) for part in _flat(parts)]
    component = attributes.get("ComplexImageComponent")
    return "\\".join([*kept, str(component)] if component else kept)


def _flat(parts: Any) -> Iterator[Any]:
    return iter([parts] if isinstance(parts, str) else parts)


def _siemens_b_value(attributes: Any) -> Trait:
    element = attributes.get(0x0019100C)
    return None if element is None else _plain(element.value)


def _ge_b_value(attributes: Any) -> Trait:
    """Return GE's private b-value, whose first number counts in steps of 1e9 from some releases on."""
    element = attributes.get(0x00431039)
    value = None if element is None else element.value
    if value is None or isinstance(value, bytes | str) or not hasattr(value, "__iter__"):
        return None
    try:
        return float(next(iter(value))) % 1e5
    except (StopIteration, TypeError, ValueError):
        return None


def _gradient(attributes: Any) -> Trait:
    nested = attributes.get("DiffusionGradientDirectionSequence")
    found = (nested[0] if nested else attributes).get("DiffusionGradientOrientation")
    return None if found is None else "\\".join(f"{float(part):.4f}" for part in found)


_TRAIT_KEYS: tuple[tuple[str | int | Callable[[Any], Trait], ...], ...] = (
    ("StackID",),
    (_frame_type,),
    ("EffectiveEchoTime", "EchoTime"),
    ("TemporalPositionIndex", "TemporalPositionIdentifier", "FrameReferenceTime"),
    ("DiffusionBValue", _siemens_b_value, 0x20011003, _ge_b_value),
    (_gradient, "DiffusionDirectionality"),
    ("NominalCardiacTriggerDelayTime", "TriggerTime"),
    ("InversionTimes", "InversionTime"),
    ("FlipAngle",),
    ("KVP",),
    ("ConvolutionKernel",),
    ("FrameAcquisitionNumber", "AcquisitionNumber"),
    ("FrameAcquisitionDateTime", "AcquisitionTime"),
)
