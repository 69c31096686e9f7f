"""A mask as RTSTRUCT beside its series."""

from __future__ import annotations

from pathlib import Path

from segkit.inference.exporters import Exporter, Segmented
from segkit.volumes.dicom.derived.objects import save_object
from segkit.volumes.dicom.derived.structure_set import structure_set_of


def write(segmented: Segmented, path: Path) -> None:
    """Write an RTSTRUCT, a region for each label."""
    made = structure_set_of(
        segmented.array,
        segmented.segments,
        segmented.source,
        segmented.author,
        segmented.options.terms,
        segmented.identity,
    )
    save_object(made, path)


EXPORTER = Exporter("rtstruct", ".rtstruct.dcm", write, needs_dicom=True, is_mask=False)
