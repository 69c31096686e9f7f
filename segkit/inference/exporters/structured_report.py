"""A structured report beside the DICOM SEG: volume, diameters, intensities of each label (DICOM PS3.16, TID 1500)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.evaluation.regions import Box, boxes_of
from segkit.foundation.errors import DataError
from segkit.inference.exporters import Exporter, Segmented
from segkit.inference.exporters._figures import Figure, figures_of
from segkit.volumes.dicom.derived.mask import Segment
from segkit.volumes.dicom.derived.objects import (
    MANUFACTURER,
    equipment,
    identity_of,
    making,
    moment,
    save_object,
    series_number,
    settle,
    uid_for,
)
from segkit.volumes.dicom.derived.segmentation import LONGEST, SERIES_PLACE, sop_class_of, tracking_uid
from segkit.volumes.dicom.derived.terms import CATEGORIES, SIDE_CODES, code, term_for

if TYPE_CHECKING:
    from highdicom.sr import Measurement, MeasurementReport, VolumetricROIMeasurementsAndQualitativeEvaluations
    from pydicom import Dataset

PLACE = SERIES_PLACE + 2
PROCEDURES = {"CT": "CTUnspecifiedBodyRegion", "MR": "MRIUnspecifiedBodyRegion", "PT": "PETUnspecifiedBodyRegion"}


def write(segmented: Segmented, path: Path) -> None:
    """Write the report; the figures are those that `segkit measure` finds for mask and scan.

    Raises:
        DataError: when the scan is a picture, which has no volumes.
    """
    if segmented.source.is_picture:
        raise DataError("export=sr reports volumes, and the scan is a picture: segkit measure writes areas")
    save_object(report_of(segmented), path)


def report_of(segmented: Segmented) -> Dataset:
    """Return the report as a Comprehensive SR, which refers to the segments of the SEG that `export=dicom_seg` writes.

    Raises:
        DataError: when the source lacks what a report needs.
    """
    from highdicom.sr import ComprehensiveSR

    source, header = segmented.source, segmented.source.header
    date, time = moment(header)
    with making("structured report"):
        made: Dataset = ComprehensiveSR(
            evidence=_evidence(segmented),
            content=_content(segmented)[0],
            series_instance_uid=uid_for("SR series", segmented.seg_uid),
            series_number=series_number(source, PLACE),
            sop_instance_uid=uid_for("SR", segmented.seg_uid),
            instance_number=1,
            is_complete=True,
            series_description=f"Measurements of {segmented.author.name}"[:LONGEST],
            content_date=date,
            content_time=time,
            **equipment(segmented.author),
        )
        settle(made, header)
    return made


def _evidence(segmented: Segmented) -> list[Dataset]:
    """Return the headers of what the report refers to, the source's objects and the SEG, as far as it needs them."""
    from pydicom import Dataset

    source = segmented.source
    identity = identity_of(source.header)
    objects = [(source.headers[each.uid].SOPClassUID, each.uid, each.series) for each in source.instances]
    seg = (sop_class_of(segmented.options), segmented.seg_uid, segmented.seg_series_uid)
    found = []
    for sop_class, uid, series in (*objects, seg):
        header = Dataset()
        for element in identity.values():
            header.add(element)
        header.SOPClassUID, header.SOPInstanceUID, header.SeriesInstanceUID = sop_class, uid, series
        found.append(header)
    return found


def _content(segmented: Segmented) -> MeasurementReport:
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(
        uid=uid_for("device", MANUFACTURER), name=MANUFACTURER, manufacturer_name=MANUFACTURER, model_name=MANUFACTURER
    )
    observer = ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    procedure = PROCEDURES.get(segmented.source.first.modality, "ImagingProcedure")
    boxes = boxes_of(segmented.array, "the mask", zero=any(0 in segment.values for segment in segmented.segments))
    return MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=getattr(codes.cid100, procedure),
        imaging_measurements=[_group(segmented, segment, boxes) for segment in segmented.segments],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(
    segmented: Segmented, segment: Segment, boxes: dict[int, Box]
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """Return the measurements of one label with the segment that they are of (TID 1411)."""
    from highdicom.sr import (
        FindingSite,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    term = term_for(segment.name, segmented.options.terms)
    is_place = term.is_known and term.category == CATEGORIES["anatomy"]
    side = code(SIDE_CODES[term.side]) if term.side else None
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(tracking_uid(segmented.seg_uid, segment), segment.name[:LONGEST]),
        referenced_segment=ReferencedSegment(
            sop_class_of(segmented.options),
            segmented.seg_uid,
            segment.number,
            source_series=SourceSeriesForSegmentation(segmented.source.first.series),
        ),
        finding_category=code(term.category),
        finding_type=code(term.kind),
        finding_sites=[FindingSite(code(term.kind), laterality=side)] if is_place else None,
        measurements=list(_measurements(figures_of(segmented, segment, boxes))),
    )


def _measurements(figures: Iterator[Figure]) -> Iterator[Measurement]:
    from highdicom.sr import Measurement

    for each in figures:
        yield Measurement(each.name, each.value, each.unit, derivation=each.derivation, method=each.method)


EXPORTER = Exporter("sr", ".sr.dcm", write, needs_dicom=True, needs=("dicom_seg",), needs_voxels=True, is_mask=False)
