"""What a structured report says of a label: `segkit measure`'s figures, each with the code of what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segkit.evaluation.features import features_of, features_of_nothing
from segkit.evaluation.regions import Box, Region, region_of
from segkit.inference.exporters import Segmented
from segkit.volumes.dicom.derived.mask import Segment

if TYPE_CHECKING:
    from pydicom.sr.coding import Code

VOLUME = "volume_ml"
PRIVATE = "99SEGKIT"  # codes of our own, for intensities of which nothing is known


@dataclass(frozen=True)
class Figure:
    """One figure of a label.

    Attributes:
        name, unit: coded.
        value: in that unit.
        derivation: of statistics, which it is.
        method: how it was found, where there are several ways.
    """

    name: Code
    value: float
    unit: Code
    derivation: Code | None = None
    method: Code | None = None


def figures_of(segmented: Segmented, segment: Segment, boxes: dict[int, Box]) -> Iterator[Figure]:
    """Yield the figures of a label: its volume also where it has no voxel, then its extent and its intensities.

    Args:
        segmented: mask and scan; of a scan with several channels no intensities are measured.
        segment: the label.
        boxes: of the mask's values, as `boxes_of` gives them.
    """
    grid = segmented.scan.grid
    region = region_of(segmented.array, segment.values, boxes, grid)
    found = features_of_nothing(grid.dims) if region is None else features_of(region, _channels(segmented, region))
    for column, name, unit, method in _extents():
        if isinstance(value := found.get(column), int | float):
            yield Figure(name, float(value), unit, method=method)
    if region is not None:
        name, unit = intensity_of(segmented)
        for column, derivation in _statistics():
            if isinstance(value := found.get(column), int | float):
                yield Figure(name, float(value), unit, derivation)


def _channels(segmented: Segmented, region: Region) -> dict[str, Region]:
    """Return the region with the scan's intensities, where the scan has one channel."""
    image = segmented.scan.array
    return {"image": replace(region, image=image[0])} if len(image) == 1 else {}


def _extents() -> list[tuple[str, Code, Code, Code | None]]:
    """Return `segkit measure`'s columns of extent with what they are, their unit and the method."""
    from pydicom.sr.codedict import codes

    dcm, ibsi, cid = codes.DCM, codes.IBSI, codes.cid7469
    millimetre, square = codes.UCUM.Millimeter, codes.UCUM.SquareMillimeter
    return [
        (VOLUME, codes.SCT.Volume, codes.UCUM.CubicCentimeter, dcm.SumOfSegmentedVoxelMethodForVolume),
        ("surface_mm2", ibsi.SurfaceAreaOfMesh, square, None),
        ("sphericity", ibsi.Sphericity, codes.UCUM.NoUnits, None),
        ("maximum_diameter_mm", ibsi.Maximum3DDiameterOfAMesh, millimetre, None),
        ("maximum_diameter_axial_mm", cid.LongAxis, millimetre, None),
        ("major_axis_mm", cid.MajorAxisIn3DLength, millimetre, None),
        ("minor_axis_mm", cid.MinorAxisIn3DLength, millimetre, None),
        ("least_axis_mm", cid.LeastAxisIn3DLength, millimetre, None),
    ]


def _statistics() -> list[tuple[str, Code]]:
    from pydicom.sr.codedict import codes

    sct = codes.SCT
    columns = ("mean", "standard_deviation", "minimum", "median", "maximum")
    return list(zip(columns, (sct.Mean, sct.StandardDeviation, sct.Minimum, sct.Median, sct.Maximum), strict=True))


def intensity_of(segmented: Segmented) -> tuple[Code, Code]:
    """Return what the scan's intensities are and their unit: HU of CT, Bq/ml of PET that says so, else none."""
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    source = segmented.source
    if source.first.modality == "CT":
        return codes.DCM.AttenuationCoefficient, codes.UCUM.HounsfieldUnit
    if source.first.modality == "MR":
        return codes.DCM.MRSignalIntensity, codes.UCUM.NoUnits
    if source.first.modality == "PT" and source.header.get("Units") == "BQML":
        return codes.cid7469.TracerConcentration, codes.UCUM.BecquerelsPerMilliliter
    return Code("intensity", PRIVATE, "Intensity in the image's own units"), codes.UCUM.NoUnits
