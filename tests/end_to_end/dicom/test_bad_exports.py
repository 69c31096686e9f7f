"""What cannot be read of an export is named in a line, and costs nothing else."""

import zipfile

import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, MediaStorageDirectoryStorage

from tests.end_to_end.dicom.exports import nifti, zipped
from tests.volumes.dicom.drawn import changed, save, series, uid, values_of

BROKEN = {
    "no place": lambda headers: [changed(one, ImageOrientationPatient=None) for one in headers],
    "short pixels": lambda headers: [changed(one, PixelData=one.PixelData[:100]) for one in headers],
}


@pytest.mark.parametrize("command", ["convert", "predict"])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_series_of_which_no_slice_can_be_used_is_named_and_fails_alone(segkit, run, kind, command):
    save(segkit.folder / "scans" / "good", series("good", patient="P1"))
    save(segkit.folder / "scans" / "broken", BROKEN[kind](series("broken", patient="P2")))
    words = (f"run={run}",) if command == "predict" else ()
    said = segkit(command, *words, "input=scans", "output=out", expect=1)
    assert [path.name for path in (segkit.folder / "out").glob("*.nii.gz")] == ["good.nii.gz"]
    assert "scans/broken/IM0" in said.stderr
    assert "Traceback" not in said.stderr


@pytest.mark.parametrize("kept", [300, 900], ids=["before its series is told", "before its pixels"])
@pytest.mark.parametrize("flat", [True, False])
def test_a_slice_cut_short_costs_its_own_series_and_no_other(segkit, kept, flat):
    folders = ("scans", "scans") if flat else ("scans/good", "scans/cut")
    save(segkit.folder / folders[0], series("good", patient="P1"), "A{:03}")
    cut = save(segkit.folder / folders[1], series("cut", patient="P2"), "B{:03}")
    last = min(cut.glob("B*"))  # the first slice of the stack, without which the others still lie evenly
    last.write_bytes(last.read_bytes()[:kept])
    said = segkit("convert", "input=scans", "output=out", expect=1)
    assert last.name in said.stderr
    written = list((segkit.folder / "out").glob("*"))
    if flat and kept == 300:  # it may be of either series: neither is written a slice short
        assert not written
        return
    assert len(written) == 1
    assert nifti(written[0])[0].shape == (12, 10, 6)


def truncated(folder):
    save(folder, series())
    path = folder / "IM007"
    path.write_bytes(path.read_bytes()[:-50])
    return folder, ("IM007", "PixelData (7FE0,0010)")


def short_of_pixels(folder):
    save(folder, [changed(one, PixelData=one.PixelData[:100]) for one in series()])
    return folder, ("IM0", "PixelData (7FE0,0010)", "100 bytes")


def without_orientation(folder):
    slices = series()
    del slices[2].ImageOrientationPatient
    save(folder, slices)
    return folder, ("IM014", "ImageOrientationPatient (0020,0037)")


def two_series_of_one_uid(folder):
    stranger = series("ct", patient="pseudonym 2")[1]
    stranger.SeriesInstanceUID = uid("pseudonym 1", "ct")
    save(folder, series())
    save(folder, [stranger], "STRANGER")
    return folder, ("STRANGER", "SeriesInstanceUID (0020,000E)")


def two_frames_of_reference(folder):
    slices = series()
    slices[3].FrameOfReferenceUID = uid("elsewhere")
    save(folder, slices)
    return folder, ("IM004", "FrameOfReferenceUID (0020,0052)")


def hundred_gigabytes(folder):
    save(folder, [changed(one, Rows=65535, Columns=65535, NumberOfFrames=12) for one in series()])
    return folder, ("IM0", "Rows (0028,0010)")


def hundred_compressed_gigabytes(folder):
    """Few bytes of JPEG 2000 that claim to be a picture of the largest size."""
    slices = series(values=values_of()[..., :1])
    changed(slices[0], Rows=65535, Columns=65535)
    slices[0].file_meta.TransferSyntaxUID = JPEG2000Lossless
    slices[0].PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(500)])
    slices[0]["PixelData"].is_undefined_length = True
    save(folder, slices)
    return folder, ("IM000", "Rows (0028,0010)")


def outside_of_a_zip(folder):
    path = zipped(save(folder / "x", series()), folder / "evil.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../escaped", b"\0" * 128 + b"DICM")
    return path, ("evil.zip", "../../escaped", "points outside")


def absolute_in_a_zip(folder):
    path = zipped(save(folder / "x", series()), folder / "evil.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("C:\\escaped", b"\0" * 128 + b"DICM")
    return path, ("evil.zip", "escaped", "points outside")


def bomb(folder):
    folder.mkdir()
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("IM1", b"\0" * 128 + b"DICM" + bytes(100_000_000))
    return folder / "bomb.zip", ("bomb.zip", "IM1", "bomb")


def cut_zip(folder):
    path = zipped(save(folder / "x", series()), folder / "cut.zip")
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.infolist()[3]
    start = member.header_offset + 30 + len(member.filename)
    whole[start + 20 : start + 60] = bytes(40)
    path.write_bytes(whole)
    return path, ("cut.zip", member.filename)


def outside_of_a_dicomdir(folder):
    save(folder, series())
    record = Dataset()
    record.DirectoryRecordType = "IMAGE"
    with disable_value_validation():
        record.ReferencedFileID = ["..", "..", "etc", "passwd"]
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    header.file_meta.MediaStorageSOPInstanceUID = uid("directory")
    header.DirectoryRecordSequence = [record]
    header.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder, ("DICOMDIR", "ReferencedFileID (0004,1500)", "outside")


BAD = (
    truncated, short_of_pixels, without_orientation, two_series_of_one_uid, two_frames_of_reference, hundred_gigabytes,
    hundred_compressed_gigabytes, outside_of_a_zip, absolute_in_a_zip, bomb, cut_zip, outside_of_a_dicomdir,
)  # fmt: skip


@pytest.fixture(params=BAD, ids=lambda make: make.__name__)
def bad(request, segkit):
    """Something that cannot be read, and what must be said of it."""
    path, says = request.param(segkit.folder / "scan")
    return path, says


def unchanged(folder):
    """Return every file with its time, caches and pythons' litter aside."""
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*")) if "cache" not in path.parts}


def test_bad_input_is_one_line_and_leaves_nothing(segkit, bad):
    path, says = bad
    before = unchanged(segkit.folder.parent)
    said = segkit("convert", f"input={path}", "output=out.nii.gz", expect=1)
    (line,) = said.stderr.strip().splitlines()
    for word in says:
        assert word in line
    assert {each for each in unchanged(segkit.folder.parent) if each.suffix not in (".out", ".err")} == set(before)


def test_bad_input_is_named_when_it_is_segmented_and_leaves_no_mask(segkit, run, bad):
    path, says = bad
    said = segkit("predict", f"run={run}", f"input={path}", "output=masks", expect=1)
    assert "Traceback" not in said.stderr
    assert all(word in said.stderr for word in says)
    assert len([line for line in said.stderr.splitlines() if line.startswith("error: ")]) <= 2  # the scan, and the sum
    left = {path.name for path in (segkit.folder / "masks").glob("*")}
    assert left <= {"predictions.json", "predictions.parquet", ".predictions.lock"}
    assert not (segkit.folder.parent / "escaped").exists()
