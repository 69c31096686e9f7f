"""Exports: every series is found, copies are left out, faults named, and the wanted ones chosen."""

import shutil
import zipfile

import numpy as np
import pytest
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    XRayRadiationDoseSRStorage,
)

from segkit.config.options import SeriesOptions
from segkit.volumes.dicom.choosing import chosen, default_choice, fits, shown
from segkit.volumes.dicom.oddities import oddities
from segkit.volumes.dicom.series import find_series, look_through
from segkit.volumes.reading import read


def wanted(**filters):
    return SeriesOptions(**{"modality": None, "description": None, "min_slices": None, "uid": None, **filters})


def capture(maker, **changes):
    """A dose report as a picture of a screen, under the series' modality."""
    changes = {"SOPClassUID": SecondaryCaptureImageStorage, "SeriesDescription": "Dose Report", **changes}
    header = maker.bare(SeriesInstanceUID=maker.uid(), SeriesNumber=99, ImageType=["DERIVED", "SECONDARY"], **changes)
    return maker.with_pixels(header, np.full((7, 9, 3), 200, np.uint8))


@pytest.fixture
def export(maker, tmp_path):
    """Two patients, a CT and an MR, with all that stands beside scans in an export."""
    folder = tmp_path / "export"
    scout = maker.slice(
        20, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"], SeriesInstanceUID=maker.uid(), SeriesNumber=1
    )
    report = maker.bare(SOPClassUID=XRayRadiationDoseSRStorage, Modality="SR", SeriesInstanceUID=maker.uid())
    maker.save(folder / "A" / "1", maker.series(3))
    maker.save(folder / "A" / "2", [scout, report, capture(maker)], ["scout", "report", "dose"])
    other = {"PatientID": "MRN-4712", "StudyInstanceUID": maker.uid(), "FrameOfReferenceUID": maker.uid()}
    mr = {
        "Modality": "MR",
        "SOPClassUID": MRImageStorage,
        "SeriesInstanceUID": maker.uid(),
        "SeriesDescription": "t2 tse",
        "SeriesNumber": 5,
    }
    maker.save(folder / "B", maker.series(5, **other, **mr), list("abcde"))
    derived = {"ImageType": ["DERIVED", "SECONDARY", "MPR"], "SeriesInstanceUID": maker.uid(), "SeriesNumber": 12}
    maker.save(folder / "B" / "deep" / "er", maker.series([2, 3, 4, 5], **{**mr, **other, **derived}))
    (folder / "README").write_text("burned with love")
    (folder / "A" / "Thumbs.db").write_bytes(bytes(3000))
    return folder


def told(stacks):
    return [(stack.first.modality, len(stack.planes)) for stack in stacks]


def test_every_series_is_found(maker, export):
    found = look_through(export)
    assert told(found.stacks) == [("CT", 1), ("CT", 3), ("MR", 5), ("MR", 4), ("CT", 1)]
    assert [other.modality for other in found.others] == ["SR"]
    assert found.unreadable == {}
    assert not any(stack.faults for stack in found.stacks)
    assert [oddities(stack)[:1] for stack in found.stacks] == [["localizer"], [], [], ["derived"], ["screen capture"]]
    assert len({stack.name for stack in found.stacks}) == 5


def test_a_zip_holds_the_same_series_as_its_folder(maker, export, tmp_path):
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in export.rglob("*"):
            archive.write(file, file.relative_to(export))
    folder, zipped = find_series(export), find_series(path)
    assert [stack.name for stack in zipped] == [stack.name for stack in folder]
    ours, theirs = maker.cases(export, wanted(modality="MR")), maker.cases(path, wanted(modality="MR"))
    for one, other in zip(ours.values(), theirs.values(), strict=True):
        assert np.array_equal(one.read().array, other.read().array)
        assert np.array_equal(one.read().affine, other.read().affine)


def test_scouts_captures_and_pictures_are_left_out_while_there_is_more(export):
    stacks = find_series(export)
    assert told(default_choice(stacks)) == [("CT", 3), ("MR", 5), ("MR", 4)]
    assert told(chosen(stacks, wanted(), export)) == [("CT", 3), ("MR", 5), ("MR", 4)]
    scout, report = stacks[0], stacks[4]
    assert default_choice([scout]) == [scout]
    assert default_choice([report]) == [report]
    assert default_choice([scout, report]) == [report]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"modality": "ct"}, [("CT", 1), ("CT", 3), ("CT", 1)]),
        ({"modality": ["CT", "MR"], "min_slices": 4}, [("MR", 5), ("MR", 4)]),
        ({"description": "T2*"}, [("MR", 5), ("MR", 4)]),
        ({"description": ["*report", "thor?x"]}, [("CT", 1), ("CT", 3), ("CT", 1)]),
        ({"min_slices": 3, "modality": "CT"}, [("CT", 3)]),
    ],
)
def test_filters(export, filters, found):
    assert told(chosen(find_series(export), wanted(**filters), export)) == found


def test_a_series_by_its_uid_or_name(maker, export):
    stacks = find_series(export)
    for uid in (maker.series_uid, stacks[1].name, [stacks[1].name, "another"]):
        assert chosen(stacks, wanted(uid=uid), export) == [stacks[1]]
    assert not fits(stacks[0], wanted(uid=maker.series_uid))


def test_what_fits_nothing_says_what_there_is(maker, export):
    stacks = find_series(export)
    words = (str(export), "no series that fits", f"{stacks[1].name} (CT, 3 slices of 5 x 4)", "(CT, 9 x 7)")
    maker.refused(lambda: chosen(stacks, wanted(modality="PT"), export), *words)
    assert shown(stacks * 2).endswith(") ...")


@pytest.mark.parametrize("litter", [None, "text", "report"])
def test_nothing_to_read_says_so(maker, tmp_path, litter):
    (tmp_path / "a").mkdir()
    if litter == "text":
        (tmp_path / "a" / "x.dcm").write_text("nothing " * 100)
    if litter == "report":
        maker.save(tmp_path / "a", [maker.bare(SOPClassUID=BasicTextSRStorage, Modality="SR")])
    maker.refused(lambda: find_series(tmp_path / "a"), f"{tmp_path / 'a'} holds no DICOM image")


def test_the_same_file_twice_is_one(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3))
    shutil.copytree(folder, folder / "copy")
    (stack,) = maker.stacks(folder)
    assert (len(stack.planes), stack.repeated, stack.faults) == (3, 3, ())
    assert "3 copies left out" in oddities(stack)
    assert np.array_equal(maker.read(folder).array[0], maker.expected() - 1024)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_the_same_image_in_another_encoding_is_a_copy(maker, tmp_path, syntax):
    pixels = np.random.default_rng(0).integers(0, 4096, (48, 40)).astype(np.uint16)  # JPEG 2000 takes no fewer
    headers = [maker.with_pixels(header, pixels, bits=12) for header in maker.series(3)]
    folder = maker.save(tmp_path / "a", headers, list("abc"))
    again = maker.changed(headers[1])
    if syntax == ImplicitVRLittleEndian:
        again.file_meta.TransferSyntaxUID = syntax
    else:
        plugin = {"encoding_plugin": "pydicom"} if syntax == RLELossless else {}
        again.compress(syntax, generate_instance_uid=False, **plugin)
    maker.save(folder, [again], ["again"])
    assert (folder / "again").read_bytes() != (folder / "b").read_bytes()
    (stack,) = maker.stacks(folder)
    assert (len(stack.planes), stack.repeated, stack.faults) == (3, 1, ())


def test_one_uid_on_two_images_is_a_fault(maker, tmp_path):
    first, second = maker.slice(1), maker.slice(1)
    second.SOPInstanceUID = first.SOPInstanceUID
    maker.with_pixels(second, maker.stored(7), bits=12)
    folder = maker.save(tmp_path / "a", [maker.slice(0), first, second, maker.slice(2)], list("abcd"))
    words = (str(folder / "c"), "SOPInstanceUID (0008,0018) is that of another image, b")
    maker.refused(lambda: read(folder), *words)


def test_copies_that_are_both_cut_short_are_both_named(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(), list("abc"))
    whole = (folder / "c").read_bytes()
    (folder / "c").write_bytes(whole[:-6])
    (folder / "d").write_bytes(whole[:-12])
    (stack,) = maker.stacks(folder)
    assert [fault.partition(": ")[0] for fault in stack.faults] == [str(folder / "c"), str(folder / "d")]


def test_one_uid_on_all_slices_is_only_careless(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3, SOPInstanceUID=maker.uid()))
    assert np.array_equal(read(folder).array[0], maker.expected() - 1024)


def test_slices_without_uids_are_no_copies(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3, SOPInstanceUID=""))
    assert np.array_equal(read(folder).array[0], maker.expected() - 1024)


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        (lambda maker: {"StudyInstanceUID": maker.uid()}, "StudyInstanceUID (0020,000D)"),
        (lambda maker: {"Modality": "MR"}, "Modality (0008,0060)"),
        (lambda maker: {"PatientID": "MRN-9999"}, "PatientID (0010,0020)"),
    ],
)
@pytest.mark.parametrize("place", [3, 1])
def test_one_series_uid_on_two_series_is_a_fault(maker, tmp_path, changes, tag, place):
    folder = maker.save(tmp_path / "a", [*maker.series(3), maker.slice(place, **changes(maker))], list("abcd"))
    message = maker.refused(lambda: read(folder), str(folder / "d"), "SeriesInstanceUID (0020,000E)", tag)
    assert "MRN" not in message
    assert "one UID stands on two series" in message


def test_studies_made_anew_for_every_file_tell_nothing(maker, tmp_path):
    headers = [maker.slice(index, StudyInstanceUID=maker.uid(), FrameOfReferenceUID=maker.uid()) for index in range(3)]
    assert np.array_equal(read(maker.save(tmp_path / "a", headers)).array[0], maker.expected() - 1024)


def test_objects_without_a_series_are_no_series(maker, tmp_path):
    changes = [
        {"StudyInstanceUID": maker.study_uid},
        {"StudyInstanceUID": maker.study_uid},
        {"StudyInstanceUID": maker.uid()},
    ]
    headers = [maker.slice(index, SeriesInstanceUID="", **each) for index, each in enumerate(changes)]
    stacks = maker.stacks(maker.save(tmp_path / "a", headers, list("abc")))
    assert [len(stack.planes) for stack in stacks] == [1, 1, 1]
    assert [stack.faults for stack in stacks] == [(), (), ()]
    assert len({stack.name for stack in stacks}) == 3


def test_a_slice_of_another_frame_of_reference_is_a_fault(maker, tmp_path):
    folder = maker.save(
        tmp_path / "a", [*maker.series(3), maker.slice(3, FrameOfReferenceUID=maker.uid())], list("abcd")
    )
    words = (str(folder / "d"), "FrameOfReferenceUID (0020,0052)", "cannot be compared")
    maker.refused(lambda: read(folder), *words)


def test_a_fault_stays_with_its_series(maker, export):
    maker.save(export / "B", [maker.slice(3, FrameOfReferenceUID=maker.uid())], ["stray"])
    faulty = [told([stack]) for stack in find_series(export) if stack.faults]
    assert faulty == [[("CT", 4)]]
    assert len(maker.cases(export, wanted(modality="MR"))) == 2


def test_a_file_that_cannot_be_read_is_told_with_the_series_of_its_folder(maker, export):
    (export / "B" / "torn").write_bytes(bytes(128) + b"DICM" + b"\x99" * 30)
    found = look_through(export)
    assert [file.name for file in found.unreadable] == ["torn"]
    faulty = [told([stack]) for stack in found.stacks if stack.faults]
    assert faulty == [[("MR", 5)]]
    cases = maker.cases(export, wanted(modality="MR", min_slices=5))
    maker.refused(lambda: next(iter(cases.values())).read(), str(export / "B" / "torn"))


@pytest.mark.parametrize("left", [300, 700, 945])
def test_a_slice_cut_short_costs_its_own_series_where_that_is_told(maker, tmp_path, left):
    folder = maker.save(tmp_path / "a", maker.series(4), list("abcd"))
    other = {"SeriesInstanceUID": maker.uid(), "SeriesNumber": 9}
    maker.save(folder, maker.series(3, **other), list("xyz"))
    content = (folder / "a").read_bytes()
    (folder / "a").write_bytes(content[:left])
    is_told = content.index(maker.series_uid.encode()) + 70 < left
    assert is_told == (left > 700)
    first, second = maker.stacks(folder)
    assert str(folder / "a") in first.faults[0]
    assert bool(second.faults) != is_told


def test_one_file_is_one_volume(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3), list("abc"))
    assert told(find_series(folder / "b")) == [("CT", 1)]
    assert told(find_series(folder, below=False)) == [("CT", 3)]
    assert maker.slice().file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
