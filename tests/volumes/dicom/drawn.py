"""Series, and segmentations and structure sets drawn on them, as pydicom and highdicom write them, for tests."""

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, RTStructureSetStorage, generate_uid

from segkit.volumes.grid import Grid, affine_from_steps

SHAPE = (12, 10, 6)  # columns, rows, slices
SPACING = np.array([1.2, 0.9])  # mm between columns, between rows
ROW, COLUMN = np.array([0.96, 0.28, 0.0]), np.array([-0.28 * 0.8, 0.96 * 0.8, 0.6])
STEP = 2.5 * np.cross(ROW, COLUMN)
ORIGIN = np.array([-100.0, 50.0, 25.0])
ALGORITHM = AlgorithmIdentificationSequence("drawn", codes.DCM.ArtificialIntelligence, "1")


def uid(*words):
    return generate_uid(entropy_srcs=["segkit", *map(str, words)])


def changed(header, **changes):
    for keyword, value in changes.items():
        if value is None:
            delattr(header, keyword)
        else:
            setattr(header, keyword, value)
    return header


def values_of(shape=SHAPE):
    """Return what a series holds unless told otherwise: 100 * slice + 10 * row + column."""
    column, row, index = np.indices(shape)
    return 100 * index + 10 * row + column


def series(name="ct", values=None, *, patient="pseudonym 1", modality="CT", step=STEP, places=None, **changes):
    """Return an oblique series; `name` and `patient` decide its UIDs, `places` (in steps) where its slices lie."""
    values = values_of() if values is None else values
    columns, rows, count = values.shape
    slices = []
    for index, place in enumerate(range(count) if places is None else places):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
        one.SOPInstanceUID, one.SeriesInstanceUID = uid(patient, name, index), uid(patient, name)
        one.StudyInstanceUID, one.FrameOfReferenceUID = uid(patient, "study"), uid(patient, "frame")
        one.PatientID, one.PatientName, one.PatientBirthDate, one.PatientSex = patient, f"{patient}^", "", "O"
        one.StudyDate, one.StudyTime, one.StudyID, one.AccessionNumber = "20260101", "080000", "1", ""
        one.ReferringPhysicianName, one.Modality, one.SeriesDescription = "", modality, name
        one.SeriesNumber, one.InstanceNumber, one.ImageType = 1, count - index, ["ORIGINAL", "PRIMARY", "AXIAL"]
        one.Columns, one.Rows, one.PixelSpacing, one.SliceThickness = columns, rows, [*SPACING[::-1]], 9
        one.ImageOrientationPatient = [*ROW, *COLUMN]
        one.ImagePositionPatient = [round(float(x), 6) for x in ORIGIN + place * step]
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PixelRepresentation = 1, "MONOCHROME2", 1
        one.BitsAllocated, one.BitsStored, one.HighBit = 16, 16, 15
        one.PixelData = values[..., index].T.astype("<i2").tobytes()
        slices.append(changed(one, **changes))
    return slices


def save(folder, headers, name="IM{:03}"):
    """Write up to 17 objects, in an order of names that is not theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, header in enumerate(headers):
        header.save_as(folder / name.format(7 * number % 17), enforce_file_format=True)
    return folder


def grid_of(shape=SHAPE, step=STEP):
    return Grid(shape, affine_from_steps([ROW * SPACING[0], COLUMN * SPACING[1], step], ORIGIN, space="LPS"))


def box(columns, rows, slices, shape=SHAPE):
    mask = np.zeros(shape, bool)
    mask[slice(*columns), slice(*rows), slice(*slices)] = True
    return mask


def write_seg(path, sources, segments, **options):
    """Write a DICOM SEG of masks (X, Y, Z) by segment label with highdicom; planes without any are not stored."""
    described = [
        SegmentDescription(number, name, codes.SCT.Organ, codes.SCT.Liver, "AUTOMATIC", ALGORITHM)
        for number, name in enumerate(segments, start=1)
    ]
    changes = options.pop("changes", {})
    written = Segmentation(
        sources, np.stack([mask.transpose(2, 1, 0) for mask in segments.values()], axis=-1), "BINARY", described,
        series_instance_uid=uid(path, "series"), series_number=9, sop_instance_uid=uid(path), instance_number=1,
        manufacturer="segkit", manufacturer_model_name="test", software_versions="1", device_serial_number="1",
        **options,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    changed(written, **changes).save_as(path)
    return path


def write_structures(path, sources, rois, **changes):
    """Write an RTSTRUCT of boxes by ROI name, each as columns, rows and slices from first to behind the last."""
    one, header = sources[0], Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID, header.Modality = RTStructureSetStorage, uid(path), "RTSTRUCT"
    for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyID"):
        setattr(header, keyword, one.get(keyword))
    header.SeriesInstanceUID, header.StructureSetLabel = uid(path, "series"), "drawn"
    drawn_on_series = changed(Dataset(), SeriesInstanceUID=one.SeriesInstanceUID, ContourImageSequence=[
        changed(Dataset(), ReferencedSOPClassUID=each.SOPClassUID, ReferencedSOPInstanceUID=each.SOPInstanceUID)
        for each in sources
    ])  # fmt: skip
    study = changed(Dataset(), RTReferencedSeriesSequence=[drawn_on_series])
    frame = changed(Dataset(), FrameOfReferenceUID=one.FrameOfReferenceUID, RTReferencedStudySequence=[study])
    header.ReferencedFrameOfReferenceSequence = [frame]
    header.StructureSetROISequence = [
        changed(Dataset(), ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=one.FrameOfReferenceUID)
        for number, name in enumerate(rois, start=1)
    ]
    header.ROIContourSequence = [
        changed(Dataset(), ReferencedROINumber=number, ContourSequence=list(_contours(sources, *extent)))
        for number, extent in enumerate(rois.values(), start=1)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    changed(header, **changes).save_as(path, enforce_file_format=True)
    return path


def _contours(sources, columns, rows, slices):
    """Yield a rectangle half a voxel around the centres of a box, for each of its slices."""
    corners = [(columns[0], rows[0]), (columns[1], rows[0]), (columns[1], rows[1]), (columns[0], rows[1])]
    for index in range(*slices):
        position = np.array(sources[index].ImagePositionPatient, float)
        points = [position + (c - 0.5) * SPACING[0] * ROW + (r - 0.5) * SPACING[1] * COLUMN for c, r in corners]
        yield changed(
            Dataset(), ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=len(points),
            ContourData=[f"{value:.6f}" for value in np.ravel(points)],
        )  # fmt: skip


LIVER, LESION, SPLEEN = box((1, 8), (2, 8), (1, 5)), box((3, 6), (4, 7), (2, 4)), box((9, 11), (1, 4), (0, 2))
