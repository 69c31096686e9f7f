"""A picture for any viewer: slices of the scan with the outlines of the labels, as DICOM Secondary Capture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segkit.inference.exporters import Exporter, Segmented
from segkit.volumes.dicom.derived.objects import (
    equipment,
    making,
    moment,
    save_object,
    series_number,
    settle,
    uid_for,
)
from segkit.volumes.dicom.derived.segmentation import LONGEST, SERIES_PLACE
from segkit.volumes.dicom.derived.slices import slice_headers
from segkit.volumes.grid import SIGNS
from segkit.volumes.outlines import GAP, Picture, draw_legend, in_grey, outlined

if TYPE_CHECKING:
    from pydicom import Dataset

PLACE = SERIES_PLACE + 3
TILE = 384  # pixels of the longest side of a slice
LINE = 20  # pixels of a line of text
ACROSS, MOST = 3, 9  # slices in a row, and in all
DIRECTIONS = (("R", "L"), ("A", "P"), ("F", "H"))  # against and along each axis of DICOM's LPS


def write(segmented: Segmented, path: Path) -> None:
    """Write the picture."""
    save_object(capture_of(segmented), path)


def capture_of(segmented: Segmented) -> Dataset:
    """Return up to nine slices that hold labels, evenly chosen, in one colour picture.

    Raises:
        DataError: when the source lacks what a Secondary Capture needs.
    """
    from highdicom.sc import SCImage

    source = segmented.source
    header = slice_headers(source)[0]
    date, time = moment(source.header)
    with making("secondary capture"):
        made: Dataset = SCImage.from_ref_dataset(
            header,
            sheet_of(segmented),
            "RGB",
            8,
            "PATIENT",
            series_instance_uid=uid_for("SC series", segmented.seg_uid),
            series_number=series_number(source, PLACE),
            sop_instance_uid=uid_for("SC", segmented.seg_uid),
            instance_number=1,
            patient_orientation=orientation_of(segmented),
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            series_description=f"Overlay of {segmented.author.name}"[:LONGEST],
            content_date=date,
            content_time=time,
            **equipment(segmented.author),
        )
        made.Laterality = None  # it may be of a paired part of the body, and nobody said which side
        if source.is_picture:
            made.PatientOrientation = source.header.get("PatientOrientation")
        settle(made, source.header)
    return made


def orientation_of(segmented: Segmented) -> tuple[str, str]:
    """Return to which side of the patient rows and columns run: ("L", "P") of an axial slice."""
    steps = segmented.scan.grid.affine[:3, :2].T * SIGNS["LPS"]
    axes = [int(np.abs(step).argmax()) for step in steps]
    along, down = (DIRECTIONS[axis][int(step[axis] > 0)] for axis, step in zip(axes, steps, strict=True))
    return along, down


def sheet_of(segmented: Segmented) -> Picture:
    """Return the slices as one picture, shape (rows, columns, 3), with the names of the labels in their colours."""
    from PIL import Image, ImageDraw

    classes = classes_of(segmented)
    image = segmented.scan.array.mean(axis=0).reshape(classes.shape)  # of colours their mean
    chosen = slices_shown(classes)
    grey = in_grey(image[..., chosen].astype(np.float32))
    size = tile_size(segmented)
    across = min(ACROSS, len(chosen))
    rows = -(-len(chosen) // across)
    sheet = Image.new("RGB", (across * (size[0] + GAP) + GAP, rows * (size[1] + LINE + GAP) + 2 * LINE), "black")
    pen = ImageDraw.Draw(sheet)
    for place, index in enumerate(chosen):
        x, y = GAP + place % across * (size[0] + GAP), GAP + place // across * (size[1] + LINE + GAP)
        pen.text((x, y), f"slice {index + 1} of {classes.shape[2]}", fill="white")
        plane = Image.fromarray(grey[..., place].T).resize(size, Image.Resampling.BILINEAR)
        labels = Image.fromarray(classes[..., index].T).resize(size, Image.Resampling.NEAREST)
        sheet.paste(Image.fromarray(outlined(np.asarray(plane), np.asarray(labels))), (x, y + LINE))
    draw_legend(pen, [segment.name for segment in segmented.segments], GAP, sheet.height - LINE - GAP)
    return np.asarray(sheet)


def classes_of(segmented: Segmented) -> NDArray[np.uint8]:
    """Return each voxel's label, counted from 1 in the order of segments, shape (X, Y, Z); later ones lie on top."""
    shape = (*segmented.array.shape, 1)[:3]
    classes = np.zeros(shape, np.uint8)
    for place, segment in enumerate(segmented.segments, start=1):
        classes[np.isin(segmented.array, segment.values).reshape(shape)] = place
    return classes


def slices_shown(classes: NDArray[Any]) -> Sequence[int]:
    """Return up to nine slices that hold labels, evenly spread; the middle one of a mask without any."""
    held = np.flatnonzero(classes.any(axis=(0, 1)))
    if not len(held):
        return [classes.shape[2] // 2]
    return [int(index) for index in held[np.unique(np.linspace(0, len(held) - 1, MOST).round().astype(int))]]


def tile_size(segmented: Segmented) -> tuple[int, int]:
    """Return width and height in pixels of a slice whose longest side has `TILE`, in the patient's proportions."""
    grid = segmented.scan.grid
    extent = np.array(grid.shape[:2]) * np.array(grid.spacing[:2])
    width, height = np.maximum(1, np.rint(extent / extent.max() * TILE)).astype(int).tolist()
    return width, height


EXPORTER = Exporter("secondary_capture", ".sc.dcm", write, needs_dicom=True, needs_voxels=True, is_mask=False)
