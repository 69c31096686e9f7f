"""Whole exports, as a PACS writes them, through the command line: listed, converted, segmented, faults named."""

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from functools import cache

import nibabel as nib
import numpy as np
import pytest
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    MediaStorageDirectoryStorage,
    SecondaryCaptureImageStorage,
)

import segkit as package
from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.conftest import CommandLine
from tests.volumes.dicom.test_references import (
    COLUMN,
    LESION,
    LIVER,
    STEP,
    changed,
    grid_of,
    save,
    series,
    uid,
    values_of,
    write_seg,
    write_structures,
)

# Torch is imported once; each command runs in a fork of that process, with its own folder, output and exit code.
SERVER = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
import importlib, torch, monai.transforms, pytorch_lightning, highdicom, nibabel, pydicom.pixels.utils
from segkit.config.commands import CONFIGS
for command in CONFIGS:
    importlib.import_module(f"segkit.commands.{command}")
warnings.resetwarnings()
from segkit.cli import main
for line in sys.stdin:
    call = json.loads(line)
    child = os.fork()
    if not child:
        os.chdir(call["folder"])
        os.environ |= {"SEGKIT_CACHE": call["cache"], **call["environment"]}
        for number, name in enumerate((os.devnull, call["out"], call["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), number)
        code = main(call["words"])
        sys.stdout.flush(), sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    os.write(1, f"{os.waitstatus_to_exitcode(status)}\\n".encode())
"""


@cache
def server():
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        [sys.executable, "-c", SERVER], text=True, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


class WarmLine(CommandLine):
    """A command line whose commands start from a process that has imported torch."""

    def __call__(self, *words, expect=0, environment=None):
        said = [self.folder.parent / f"{self.folder.name}.{name}" for name in ("out", "err")]
        call = {"folder": str(self.folder), "cache": str(self.folder / "cache"), "words": words,
                "out": str(said[0]), "err": str(said[1]), "environment": environment or {}}  # fmt: skip
        process = server()
        process.stdin.write(json.dumps(call) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        out, err = (path.read_text() for path in said)
        codes = expect if isinstance(expect, tuple) else (expect,)
        assert code in codes, f"exit {code}\n{out}\n{err}"
        return subprocess.CompletedProcess(words, code, out, err)


@pytest.fixture
def segkit(tmp_path):
    """The command line in an empty folder."""
    (tmp_path / "here").mkdir()
    return WarmLine(tmp_path / "here")


@pytest.fixture(scope="module")
def run(tmp_path_factory, ball_options):
    """A run of two steps, on MR-like images of one channel."""
    line = WarmLine(tmp_path_factory.mktemp("trained"))
    line("train", *ball_options, "training.steps=2", "output=run")
    return line.folder / "run"


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


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    """An export with its DICOMDIR; beside what that names lie copies, a SEG, a structure set and litter."""
    root = tmp_path_factory.mktemp("pacs") / "EXPORT 2026"
    made = whole_export()
    files = FileSet()
    for objects in made.values():
        for each in objects:
            each.file_meta.MediaStorageSOPClassUID = each.SOPClassUID
            each.file_meta.MediaStorageSOPInstanceUID = each.SOPInstanceUID
            files.add(each)
    files.write(root)
    save(root / "again", made["thorax"][:2], "COPY{}")
    write_seg(root / "9A" / "00F1", made["thorax"], {"liver": LIVER, "lesion": LESION})
    write_structures(root / "9A" / "00F2", made["thorax"], {"Leber": ((1, 8), (2, 8), (1, 5))})
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    (root / "viewer").mkdir()
    (root / "viewer" / "AUTORUN.INF").write_text("[autorun]\n")
    (root / ".DS_Store").write_bytes(b"\0" * 300)
    return root


def zipped(folder, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder.parent))
    return path


@pytest.fixture(params=["folder", "zip", "DICOMDIR"])
def way(request, export, tmp_path):
    """The same export in each way that it may come."""
    if request.param == "zip":
        return zipped(export, tmp_path / "export.zip")
    return export if request.param == "folder" else export / "DICOMDIR"


GRID = "1.2 x 0.9 x 2.5"
LISTED = {  # description: modality, size, spacing, words of what is odd
    ("thorax", "12 x 10 x 6"): ("CT", GRID, "2 copies left out"),
    ("abdomen", "12 x 10 x 6"): ("CT", GRID, ""),
    ("tilted", "12 x 10 x 6"): ("CT", "1.2 x 0.9 x 2.625", "tilted by 17.7 degrees"),
    ("uneven", "12 x 10 x 6"): ("CT", GRID, "1 slice is missing"),
    ("scout", "12 x 10 x 1"): ("CT", "1.2 x 0.9 x 9", "localizer; one slice, whose thickness is 9 mm"),
    ("capture", "12 x 10"): ("OT", "1 x 1", "screen capture"),
}


def test_the_table_lists_what_is_there_with_what_is_odd(segkit, way):
    said = segkit("convert", f"input={way}", "list=true", "output=table.csv")
    rows = list(csv.DictReader((segkit.folder / "table.csv").open()))
    assert len(rows) == 9
    for row in rows:
        if row["description"] == "perfusion":
            continue
        modality, spacing, odd = LISTED[row["description"], row["size"]]
        assert (row["modality"], row["spacing (mm)"]) == (modality, spacing)
        assert odd in row["what is odd"] if odd else not row["what is odd"]
        assert row["series"] == hashed(uid("P2" if row["description"] == "abdomen" else "P1", row["description"]))
        assert row["transfer syntax"] == "Explicit VR Little Endian"
    volumes = [row for row in rows if row["description"] == "perfusion"]
    assert [row["series"] for row in volumes] == [f"{hashed(uid('P2', 'perfusion'))}_{n}" for n in (1, 2, 3)]
    for number, row in enumerate(volumes, start=1):
        assert row["size"] == "12 x 10 x 4"
        assert f"volume {number} of 3 (time point {number}" in row["what is odd"]
    assert "beside them: 1 RTSTRUCT, 1 SEG, 1 SR" in said.stdout
    assert not said.stderr
    assert sorted(os.listdir(segkit.folder)) == ["table.csv"]  # noqa: PTH208


def nifti(path):
    image = nib.load(path)
    return np.asanyarray(image.dataobj), image.affine


def test_every_series_that_can_be_read_is_written_and_the_others_are_named(segkit, way):
    said = segkit("convert", f"input={way}", "output=out", expect=1)
    uneven, perfusion = hashed(uid("P1", "uneven")), hashed(uid("P2", "perfusion"))
    names = [hashed(uid(patient, name)) for patient, name in (("P1", "thorax"), ("P2", "abdomen"), ("P1", "tilted"))]
    names += [f"{perfusion}_{number}" for number in (1, 2, 3)]
    assert {path.name for path in (segkit.folder / "out").iterdir()} == {f"{name}.nii.gz" for name in names}
    assert f"error: {uneven}: " in said.stderr
    assert f"1 of 7 series failed: {uneven}" in said.stderr
    assert "Traceback" not in said.stderr
    for name, values, step in zip(
        names, [values_of(), values_of() + 7, values_of()], [STEP, STEP, TILTED], strict=False
    ):
        array, affine = nifti(segkit.folder / "out" / f"{name}.nii.gz")
        assert np.array_equal(array, values)
        np.testing.assert_allclose(affine, grid_of(step=step).affine, atol=1e-4)
    for number in (1, 2, 3):
        assert np.array_equal(nifti(segkit.folder / "out" / f"{perfusion}_{number}.nii.gz")[0], SOME + 1000 * number)


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("series.modality=CT", "series.min_slices=6", "dicom.gaps=resample"), 4),
        (("series.modality=[mr,OT]",), 4),
        (("series.description=*O*", "series.modality=CT", "series.min_slices=2"), 2),
        (("series.description=[scout,uneven]", "dicom.gaps=resample"), 2),
        ((f"series.uid={uid('P1', 'tilted')}",), 1),
        ((f"series.uid={hashed(uid('P2', 'perfusion'))}",), 3),
        ((f"series.uid={hashed(uid('P2', 'perfusion'))}_2",), 1),
        (("series.modality=MR", "dicom.volumes=channels"), 1),
    ],
)
def test_filters_choose(segkit, export, words, count):
    segkit("convert", f"input={export}", "output=out", *words)
    assert len(list((segkit.folder / "out").iterdir())) == count


def test_one_series_becomes_one_file(segkit, export):
    several = segkit("convert", f"input={export}", "output=one.nii.gz", expect=1)
    assert "holds 7 volumes" in several.stderr
    assert "series.uid=" in several.stderr
    assert not list(segkit.folder.iterdir())
    segkit("convert", f"input={export}", "series.description=tilted", "output=one.nii.gz")
    assert np.array_equal(nifti(segkit.folder / "one.nii.gz")[0], values_of())
    segkit("convert", f"input={export}", "series.modality=MR", "dicom.volumes=channels", "output=time.nii.gz")
    array = nifti(segkit.folder / "time.nii.gz")[0].squeeze()
    assert np.array_equal(array, np.stack([SOME + 1000 * time for time in (1, 2, 3)], axis=-1))


def test_a_gap_is_filled_by_the_mean_of_its_neighbours(segkit, export):
    words = ("series.description=uneven", "dicom.gaps=resample", "output=out.nii.gz")
    segkit("convert", f"input={export}", *words)
    array, affine = nifti(segkit.folder / "out.nii.gz")
    expected = np.insert(values_of(), 3, values_of()[..., 2] + 50, axis=2)
    assert np.array_equal(array, expected)
    np.testing.assert_allclose(affine, grid_of().affine, atol=1e-4)


def test_padding_is_kept_or_the_lowest_that_was_measured(segkit):
    values = values_of() + 5
    values[:3] = -2000
    save(segkit.folder / "ct", series("padded", values, PixelPaddingValue=-2000))
    segkit("convert", "input=ct", "output=keep.nii.gz")
    assert nifti(segkit.folder / "keep.nii.gz")[0].min() == -2000
    segkit("convert", "input=ct", "dicom.padding=lowest", "output=lowest.nii.gz")
    array = nifti(segkit.folder / "lowest.nii.gz")[0]
    assert np.array_equal(array, np.where(values == -2000, 8, values))  # the first column that was measured is 3


@pytest.mark.parametrize("like", ["export", "zip"])
def test_drawings_become_masks_on_the_grid_of_their_series(segkit, export, like):
    where = export if like == "export" else zipped(export, segkit.folder / "export.zip")
    segkit("convert", f"input={export}/9A/00F1", f"like={where}", "output=seg.nii.gz")
    segkit("convert", f"input={export}/9A/00F2", f"like={where}", "output=rt.nii.gz")
    segkit("convert", f"input={where}", "series.description=thorax", "output=ct.nii.gz")
    mask, affine = nifti(segkit.folder / "seg.nii.gz")
    assert np.array_equal(mask, np.select([LESION, LIVER], [2, 1], 0))
    assert np.array_equal(nifti(segkit.folder / "rt.nii.gz")[0], LIVER)
    assert np.array_equal(affine, nifti(segkit.folder / "ct.nii.gz")[1])


def test_predict_gives_one_mask_a_series_on_its_own_grid_and_redoes_nothing(segkit, run, way):
    words = ("predict", f"run={run}", f"input={way}", "output=masks")
    first = segkit(*words, expect=1)  # the uneven one
    masks = segkit.folder / "masks"
    uneven = hashed(uid("P1", "uneven"))
    assert f"error: {uneven}: " in first.stderr
    assert f"1 of 7 scans failed: {uneven}" in first.stderr
    segkit("convert", f"input={way}", "output=scans", expect=1)
    found = {path.name for path in masks.glob("*.nii.gz")}
    assert found == {path.name for path in (segkit.folder / "scans").iterdir()}
    assert len(found) == 6
    for name in found:
        mask, scan = (package.read(segkit.folder / folder / name) for folder in ("masks", "scans"))
        assert mask.grid.shape == scan.grid.shape
        assert np.array_equal(mask.affine, scan.affine)
        assert set(np.unique(mask.array)) <= {0, 1, 2}
    before = {path.name: path.stat().st_mtime_ns for path in masks.glob("*.nii.gz")}
    again = segkit(*words, expect=1)
    assert "6 of 7 masks were there already" in again.stdout
    for name, changed_at in before.items():
        assert (masks / name).stat().st_mtime_ns == changed_at


def test_predict_takes_the_series_that_are_wanted(segkit, run, export):
    words = (f"run={run}", f"input={export}", "series.modality=MR", "series.min_slices=4", "output=masks")
    segkit("predict", *words)
    assert len(list((segkit.folder / "masks").glob("*.nii.gz"))) == 3
    none = segkit("predict", f"run={run}", f"input={export}", "series.modality=PT", "output=other", expect=1)
    assert "holds no series that fits the filter; it holds" in none.stderr
    assert not (segkit.folder / "other").exists()


def test_series_in_folders_of_their_own_give_masks_of_their_names(segkit, run):
    for name in ("case_A", "case_B"):
        save(segkit.folder / "scans" / name, series(name, patient=name))
    segkit("predict", f"run={run}", "input=scans", "output=masks")
    assert {path.name for path in (segkit.folder / "masks").glob("*.nii.gz")} == {"case_A.nii.gz", "case_B.nii.gz"}


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


def test_the_same_image_twice_under_two_names_is_read_once(segkit):
    slices = series()
    save(segkit.folder / "ct", slices)
    save(segkit.folder / "ct", slices, "COPY{}")
    segkit("convert", "input=ct", "output=out.nii.gz")
    assert np.array_equal(nifti(segkit.folder / "out.nii.gz")[0], values_of())


def test_a_dicomdir_changes_nothing(segkit, export):
    shutil.copytree(export, segkit.folder / "copy")
    said = segkit("convert", "input=copy", "list=true")
    (segkit.folder / "copy" / "DICOMDIR").unlink()
    assert segkit("convert", "input=copy", "list=true").stdout == said.stdout


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
    assert left <= {"predictions.json", "predictions.parquet"}
    assert not (segkit.folder.parent / "escaped").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("convert input=gone output=out.nii.gz", "gone"),
        ("convert input=ct", "output is not set"),
        ("convert list=true", "what to convert is not set"),
        ("convert input=ct list=true output=table.txt", ".csv"),
        ("convert input=ct output=out.nii.gz series.modalty=CT", "did you mean series.modality"),
        ("convert input=ct output=out.nii.gz dicom.gaps=fill", "refuse"),
        ("convert input=ct output=out.nii.gz dicom.volumes=all", "split"),
        ("convert input=ct output=out.nii.gz dicom.padding=0", "keep"),
        ("convert input=ct output=out.nii.gz series.min_slices=0", "series.min_slices"),
        ("convert input=ct output=out.xyz", "does not write this format"),
        ("convert input=ct like=gone output=out.nii.gz", "gone"),
    ],
)
def test_a_mistake_in_the_call_is_one_line_and_exit_2(segkit, words, says):
    save(segkit.folder / "ct", series())
    said = segkit(*words.split(), expect=2)
    (line,) = said.stderr.strip().splitlines()
    assert says in line
    assert [path.name for path in segkit.folder.iterdir()] == ["ct"]


def test_a_seg_of_another_series_is_refused_or_warned_of(segkit):
    save(segkit.folder / "ct", series())
    write_seg(segkit.folder / "other.dcm", series("other", patient="P2"), {"liver": LIVER})
    said = segkit("convert", "input=other.dcm", "like=ct", "output=mask.nii.gz", expect=(0, 1))
    assert "other.dcm" in said.stderr


def test_an_image_is_no_drawing(segkit):
    save(segkit.folder / "ct", series())
    said = segkit("convert", "input=ct/IM000", "like=ct", "output=mask.nii.gz", expect=1)
    (line,) = said.stderr.strip().splitlines()
    assert "IM000: is no DICOM SEG and no structure set, but CT" in line
    assert not (segkit.folder / "mask.nii.gz").exists()
