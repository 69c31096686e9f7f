"""What DICOM SEG and RTSTRUCT have in common: named segments of a series, drawn onto a grid when asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.grid import Grid


@dataclass(frozen=True, eq=False)
class Drawn:
    """What an object says of the segments in it, without what they look like.

    Attributes:
        file: the object.
        names: segment or ROI number to its label, in the object's order.
        series: SeriesInstanceUID of each series that it says it was drawn on.
        instances: SOPInstanceUID of each image that it says it was drawn on.
        frame_of_reference: FrameOfReferenceUID of its coordinates; "" where it gives none.
    """

    file: DicomFile
    names: Mapping[int, str]
    series: tuple[str, ...]
    instances: frozenset[str]
    frame_of_reference: str


@dataclass(frozen=True, eq=False)
class Labelled(Drawn, ABC):
    """Segments that somebody drew on an image series."""

    @abstractmethod
    def mask_on(self, number: int, grid: Grid) -> NDArray[np.bool_]:
        """Draw one segment.

        Args:
            number: a key of `names`.
            grid: of the series that it was drawn on, RAS+ mm; 2D of a picture without a place in the patient.

        Returns:
            shape `grid.shape`; False where nothing was drawn.

        Raises:
            GeometryError: when it does not lie on the planes of this grid; the message names file and tag.
            DataError: when its pixels cannot be decoded.
        """

    def summary(self) -> Drawn:
        """Return what can be kept of many objects at once."""
        return Drawn(self.file, self.names, self.series, self.instances, self.frame_of_reference)
