"""An export of two patients, as a PACS writes one, for tests."""

import zipfile

import nibabel as nib
import numpy as np
from pydicom.uid import EnhancedSRStorage, SecondaryCaptureImageStorage

from tests.volumes.dicom.drawn import COLUMN, STEP, changed, series, uid, values_of

TILTED = STEP + 0.8 * COLUMN
SOME = values_of()[..., :4]


def whole_export():
    """Return the objects of two patients, by what they are."""
    ct = series("thorax", patient="P1")
    made = {
        "thorax": ct,
        "abdomen": series("abdomen", values_of() + 7, patient="P2"),
        "tilted": series("tilted", patient="P1", step=TILTED, SeriesNumber=4),
        "uneven": series("uneven", patient="P1", places=[0, 1, 2, 4, 5, 6], SeriesNumber=5),
        "scout": series("scout", values_of()[..., :1], patient="P1", SeriesNumber=6,
                        ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        "perfusion": [
            changed(one, TemporalPositionIdentifier=time, InstanceNumber=10 * time + number,
                    SOPInstanceUID=uid("P2", "perfusion", time, number))
            for time in (1, 2, 3)
            for number, one in enumerate(
                series("perfusion", SOME + 1000 * time, patient="P2", modality="MR", SeriesNumber=3)
            )
        ],
    }  # fmt: skip
    made["capture"] = [capture()]
    made["dose report"] = [report()]
    return made


def capture():
    """A screen's picture in colour, without a place in the patient."""
    one = series("capture", values_of()[..., :1], patient="P1", modality="OT", SeriesNumber=7)[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
        delattr(one, keyword)
    colours = np.random.default_rng(0).integers(0, 255, (10, 12, 3)).astype(np.uint8)
    return changed(
        one, SOPClassUID=SecondaryCaptureImageStorage, ImageType=["DERIVED", "SECONDARY"], SamplesPerPixel=3,
        PhotometricInterpretation="RGB", PlanarConfiguration=0, BitsAllocated=8, BitsStored=8, HighBit=7,
        PixelRepresentation=0, PixelData=colours.tobytes(), ConversionType="WSD",
    )  # fmt: skip


def report():
    """A dose report: an object without an image."""
    one = series("dose report", values_of()[..., :1], patient="P1", modality="SR", SeriesNumber=8)[0]
    for keyword in ("Rows", "Columns", "PixelData", "ImagePositionPatient", "ImageOrientationPatient"):
        delattr(one, keyword)
    return changed(
        one, SOPClassUID=EnhancedSRStorage, CompletionFlag="COMPLETE", VerificationFlag="UNVERIFIED",
        ContentDate="20260101", ContentTime="080000", ConceptNameCodeSequence=[], ValueType="CONTAINER",
    )  # fmt: skip


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


def nifti(path):
    image = nib.load(path)
    return np.asanyarray(image.dataobj), image.affine
