"""The frames of an object: one of a classic image, many of an enhanced one through its functional groups."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from segkit.foundation.errors import DataError
from segkit.volumes.dicom.datasets import Attributes, attributes_of, numbers, tag_of
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


def flattened(*groups: Any) -> dict[str | int, Any]:
    """Return the attributes of all macros in functional groups, those of the first group first.

    The standard's own macros come before private ones, in which some makers repeat attributes with another meaning.
    """
    found: dict[str | int, Any] = {}
    elements = (element for group in groups for element in group)
    for element in sorted(elements, key=lambda element: bool(element.tag.is_private)):
        value = element.value
        if isinstance(value, Sequence) and len(value) and hasattr(value[0], "get"):
            for key, attribute in attributes_of(value[0]).items():
                found.setdefault(key, attribute)
    return found


def is_enhanced(header: Attributes) -> bool:
    """Tell whether an object describes its frames by functional groups."""
    return bool(header.get(PER_FRAME))


def frames_of(header: Attributes, count: int, file: DicomFile) -> tuple[Frame, ...]:
    """Return the frames of an object, in the order stored.

    Raises:
        DataError: when it has another number of frames than functional groups, or one has no place that should.
    """
    if not is_enhanced(header):
        frame = frame_of(header, 0, file)
        if count > 1 and frame.place is not None:
            raise DataError(f"{file}: holds {count} frames without {tag_of(PER_FRAME)}, so their places are unknown")
        return tuple(replace(frame, index=index) for index in range(count))
    groups, shared = header[PER_FRAME], header.get(SHARED)
    if len(groups) != count:
        raise DataError(f"{file}: {tag_of('NumberOfFrames')} is {count}, {tag_of(PER_FRAME)} describes {len(groups)}")
    common = shared[:1] if shared else ()
    return tuple(frame_of({**header, **flattened(own, *common)}, index, file) for index, own in enumerate(groups))


def frame_of(attributes: Attributes, index: int, file: DicomFile) -> Frame:
    """Return one frame.

    Args:
        attributes: of the header, of a frame of an enhanced object with those of its functional groups over them.
        index: from 0.
        file: names the object in errors.

    Raises:
        DataError: when the frame lies somewhere in the patient and has no spacing.
    """
    place = _place(attributes, file)
    spacing = spacing_of(attributes, file) if place else _picture_spacing(attributes, file)
    if place is not None and spacing is None:
        raise DataError(f"{file}: has no {tag_of('PixelSpacing')}, so its place in the patient is unknown")
    thickness = thickness_of(attributes, file)
    return Frame(index, -1, place, spacing, thickness, rescale_of(attributes, file), traits_of(attributes))


def _place(attributes: Attributes, file: DicomFile) -> Place | None:
    """Return where a frame lies; None of a picture."""
    is_placed = any(attributes.get(keyword) for keyword in ("ImagePositionPatient", "ImageOrientationPatient"))
    is_captured = SECONDARY in (attributes.get("ImageType") or ()) and "Secondary Capture" in _class_name(attributes)
    if not is_placed and (str(attributes.get("Modality", "")) not in PLACED or is_captured):
        return None
    return place_of(attributes, file)


def _class_name(attributes: Attributes) -> str:
    from pydicom.uid import UID

    return UID(str(attributes.get("SOPClassUID", ""))).name


def _picture_spacing(attributes: Attributes, file: DicomFile) -> tuple[float, float] | None:
    for keyword in PICTURE_SPACINGS:
        found = spacing_of(attributes, file, keyword)
        if found is not None:
            return found
    return None


def rescale_of(attributes: Attributes, file: DicomFile) -> tuple[float, float]:
    """Return the slope and intercept from stored to real values, 1 and 0 where nothing is said.

    These are RescaleSlope and RescaleIntercept; for Philips MR the floating-point values that
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


def _philips_scale(attributes: Attributes) -> float | None:
    """Return Philips' private scale slope SS; None where there is none."""
    value = attributes.get(PHILIPS_SCALE)
    if isinstance(value, bytes) and len(value) == struct.calcsize("<f"):
        (value,) = struct.unpack("<f", value)
    return float(value) if isinstance(value, float) and value > 0 else None


def traits_of(attributes: Attributes) -> tuple[Trait, ...]:
    """Return what may tell frames in the same place apart, in the order of `TRAITS`."""
    return tuple(_trait(attributes, *keys) for keys in _TRAIT_KEYS)


def _trait(attributes: Attributes, *keys: str | int | Callable[[Attributes], Trait]) -> Trait:
    for key in keys:
        value = key(attributes) if callable(key) else attributes.get(key)
        if value not in (None, "", b""):
            return _plain(value)
    return None


def _plain(value: Any) -> Trait:
    """Return a number where there is one, else text."""
    if isinstance(value, str | bytes):
        text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
        return _number(text.strip())
    try:
        return _number(str(float(value)))
    except (TypeError, ValueError):
        return "\\".join(str(part) for part in value)


def _number(text: str) -> Trait:
    """Return a number, or text that is none: NaN stays text, since it would not equal itself."""
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _frame_type(attributes: Attributes) -> Trait:
    parts = attributes.get("FrameType") or attributes.get("ImageType") or ()
    kept = [str(part) for part in ([parts] if isinstance(parts, str) else parts)]
    component = attributes.get("ComplexImageComponent")
    return "\\".join([*kept, str(component)] if component else kept)


def _siemens_b_value(attributes: Attributes) -> Trait:
    value = attributes.get(0x0019100C)
    return None if value is None else _plain(value)


def _ge_b_value(attributes: Attributes) -> Trait:
    """Return GE's private b-value, whose first number counts in steps of 1e9 from some releases on."""
    value = attributes.get(0x00431039)
    if isinstance(value, bytes):  # of implicit syntax, where nothing says what private elements are
        value = value.decode("ascii", "replace").split("\\")
    try:
        return float(next(iter(value or ()))) % 1e5
    except (StopIteration, TypeError, ValueError):
        return None


def _gradient(attributes: Attributes) -> Trait:
    nested = attributes.get("DiffusionGradientDirectionSequence")
    found = (nested[0] if nested else attributes).get("DiffusionGradientOrientation")
    return None if found is None else "\\".join(f"{float(part):.4f}" for part in found)


_TRAIT_KEYS: tuple[tuple[str | int | Callable[[Attributes], Trait], ...], ...] = (
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
