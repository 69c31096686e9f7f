"""A mask as a volume file: labels on exactly the scan's grid."""

from __future__ import annotations

from pathlib import Path

from segkit.inference.exporters import Segmented
from segkit.volumes.label_values import as_colours
from segkit.volumes.writing import write, write_mask


def write_volume(segmented: Segmented, path: Path) -> None:
    """Write label values, or colours where labels are declared as such, in the format that the suffix names.

    Raises:
        GeometryError: when the format cannot hold the scan's grid.
    """
    if segmented.labels.in_colour:
        write(segmented.scan.with_array(as_colours(segmented.array)), path)
    else:
        write_mask(segmented.array, segmented.scan, path)
