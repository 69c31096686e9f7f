"""What is odd about a series, in words for a table: it can be read all the same, unless it says otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from segkit.volumes.dicom.choosing import is_captured
from segkit.volumes.dicom.geometry import even_step, unevenness
from segkit.volumes.dicom.pixels import is_inverted
from segkit.volumes.dicom.stacks import Stack, is_even, normal_of
from segkit.volumes.selection import without_folders

TILT_DEGREES = 0.01


def oddities(stack: Stack) -> list[str]:
    """Return what a user should know before a series is used; faults first."""
    folders = {plane.instance.file.path.parent for plane in stack.planes}
    faults = [without_folders(fault, folders) for fault in stack.faults]
    return [*faults, *_kind(stack), *_geometry(stack), *_copies(stack)]


def _kind(stack: Stack) -> Iterator[str]:
    if stack.first.is_localizer:
        yield "localizer"
    if is_captured(stack):
        yield "screen capture"
    elif "DERIVED" in stack.first.image_type:
        yield "derived"
    if stack.first.encoding.tiles > 1:
        yield "mosaic"
    if is_inverted(stack.first):
        yield "MONOCHROME1, turned so that larger is brighter"
    if stack.of > 1:
        differs = ", ".join(f"{trait} {value}" for trait, value in stack.differs.items()) or "by time"
        yield f"volume {stack.number} of {stack.of} ({differs})"


def _geometry(stack: Stack) -> Iterator[str]:
    if stack.is_picture:
        return
    if not is_even(stack.planes):
        yield unevenness(stack.planes)
        return
    if len(stack.planes) == 1:
        thickness = stack.planes[0].frame.thickness
        stated = f"{thickness:g} mm, its SliceThickness" if thickness else "unknown and taken as 1 mm"
        yield f"one slice, whose thickness is {stated}"
        return
    tilt = tilt_of(stack)
    if tilt > TILT_DEGREES:
        yield f"tilted by {tilt:.3g} degrees"


def tilt_of(stack: Stack) -> float:
    """Return the angle in degrees between the line of slices and their normal: the tilt of the gantry."""
    step = even_step(stack.planes)
    cosine = float(np.dot(step, normal_of(stack.planes)) / np.linalg.norm(step))
    return math.degrees(math.acos(min(1.0, abs(cosine))))


def _copies(stack: Stack) -> Iterator[str]:
    if stack.repeated:
        yield f"{stack.repeated} cop{'ies' if stack.repeated > 1 else 'y'} left out"
