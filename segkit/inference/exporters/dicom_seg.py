"""A mask as DICOM SEG beside its series, binary or as a label map."""

from __future__ import annotations

from pathlib import Path

from segkit.inference.exporters import Exporter, Segmented
from segkit.volumes.dicom.derived.objects import save_object
from segkit.volumes.dicom.derived.segmentation import segmentation_of


def write(segmented: Segmented, path: Path) -> None:
    """Write a DICOM SEG; `objects` says of which kind."""
    made = segmentation_of(
        segmented.array,
        segmented.segments,
        segmented.source,
        segmented.author,
        segmented.options,
        segmented.identity,
    )
    save_object(made, path)


EXPORTER = Exporter("dicom_seg", ".seg.dcm", write, needs_dicom=True)
