"""Nobody's identity in what commands print and leave, whole exports or broken ones."""

import gzip
import shutil

import pytest
from pydicom.config import disable_value_validation

from tests.end_to_end.dicom.trees import FEW, SHAPE, organ, scan
from tests.volumes.dicom.drawn import box, save, series, write_seg, write_structures

# Who must not be named. Strings that occur by chance nowhere else.
PLANTED = {
    "PatientName": "Quixworth^Zebulon",
    "PatientID": "MRN7741902",
    "PatientBirthDate": "19310723",
    "OtherPatientNames": "Vanterpool^Ottilie",
    "OtherPatientIDs": "ALT5550199",
    "AccessionNumber": "ACC8830017",
    "ReferringPhysicianName": "Haberkorn^Leopold",
    "OperatorsName": "Tchaikov^Irina",
    "InstitutionName": "Klinikum Wolkenheim",
    "PatientAddress": "Lindwurmgasse 17",
    "PatientTelephoneNumbers": "0049899988",
    "StudyID": "STUDY66120",
    "PatientComments": "allergic to zorbine",
    "DeviceSerialNumber": "SN90210777",
}


WORDS = [word for value in PLANTED.values() for word in value.replace("^", " ").split() if len(word) > 4]


FOLDER = "QUIXWORTH^ZEBULON (1)/19310723"


def words_in(text):
    """Return which of the planted words stand in a text, whatever the case."""
    lowered = text.lower() if isinstance(text, bytes) else text.encode("utf-8", "replace").lower()
    return {word for word in WORDS if word.lower().encode() in lowered}


def without_places(text, places):
    """Take the paths below what the user typed out of a text."""
    for place in places:
        text = text.replace(f"{place}/{FOLDER}", "").replace(f"{place.name}/{FOLDER}", "")
    return text.replace(FOLDER, "")


def planted_in_files(folder, places):
    """Return what stands in names and contents of files, unzipped, but for paths in records of where files lie."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if words_in(name):
            found[f"the name {name}"] = words_in(name)
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        if path.name in ("cases.json", "config.yaml", "overrides.yaml", "log.txt", "check.json", "case.yaml"):
            content = without_places(content.decode(), places).encode()
        if words_in(content):
            found[name] = words_in(content)
    return found


def planted_series(number, **changes):
    """Return a patient's series with every identity in it, and those that DICOM hides in sequences and private tags."""
    slices = scan(number, **changes)
    for one in slices:
        for keyword, value in PLANTED.items():
            setattr(one, keyword, value)
        one.PatientID = f"{PLANTED['PatientID']}{number}"
        one.private_block(0x0099, PLANTED["OperatorsName"], create=True).add_new(1, "LO", PLANTED["PatientName"])
    return slices


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A tree of which every object, and the folder's names, tell who was scanned; some of it is broken."""
    root = tmp_path_factory.mktemp("named") / "export"
    for number in range(5):
        slices = planted_series(number)
        save(root / FOLDER / f"{number}", slices)
        liver, lesion = organ(number)
        masks = {"liver": box(*liver, shape=SHAPE), "lesion": box(*lesion, shape=SHAPE)}
        identities = {key: PLANTED[key] for key in ("InstitutionName", "OtherPatientNames", "PatientAddress")}
        if number % 2:
            rois = {"liver": liver, "lesion": lesion}
            write_structures(root / FOLDER / f"rt{number}", slices, rois, **identities)
        else:
            write_seg(root / FOLDER / f"seg{number}", slices, masks, changes=identities)
    return root


@pytest.fixture
def broken(named, tmp_path):
    """The same with objects cut short, values that no VR allows, and UIDs that are none."""
    root = tmp_path / "broken" / "export"
    shutil.copytree(named, root)
    cut = save(root / FOLDER / "cut", planted_series(20))
    for kept, path in zip((300, 900, -100), sorted(cut.iterdir()), strict=False):
        path.write_bytes(path.read_bytes()[:kept])
    odd = planted_series(21)
    with disable_value_validation():
        for one in odd:
            one.SeriesInstanceUID = "1.2.QUIXWORTH.3"
    save(root / FOLDER / "odd uid", odd)
    wrong = save(root / FOLDER / "wrong values", planted_series(22))
    for path in wrong.iterdir():  # of equal length, so that only the values break their VRs
        whole = path.read_bytes().replace(b"1.2\\0.9", b"Quixwor").replace(b"0.9\\1.2", b"Quixwor")
        path.write_bytes(whole.replace(b"19310723", b"Zebulon?").replace(b"20260101", b"ZEBULON!"))
    for name in ("seg0", "rt1"):
        whole = (root / FOLDER / name).read_bytes()
        (root / FOLDER / f"{name} cut").write_bytes(whole[: len(whole) // 2])
        (root / FOLDER / f"{name} short").write_bytes(whole[:800])
    (root / FOLDER / "junk").write_bytes(bytes(128) + b"DICM" + b"Quixworth^Zebulon" * 40)
    return root


def lines_that_tell(results, place):
    """Return the printed lines in which a planted word stands elsewhere than in the path of a file."""
    lines = [line for result in results for line in (result.stdout + result.stderr).splitlines()]
    return [line for line in lines if words_in(without_places(line, [place]))]


def test_no_command_tells_who_was_scanned(segkit, named):
    words = ("data=dicom_tree", f"data.root={named}", "data.labels={background: 0, liver: 1, lesion: 2}",
             "data.split.held_out_fraction=0.3")  # fmt: skip
    plain = [word for word in FEW if "inference" not in word and "steps" not in word]
    said = [
        segkit("convert", f"input={named}", "list=true", "output=table.csv"),
        segkit("convert", f"input={named}", "output=scans"),
        segkit("convert", f"input={named}/{FOLDER}/seg0", f"like={named}", "output=mask.nii.gz"),
        segkit("convert", f"input={named}/{FOLDER}/rt1", f"like={named}", "output=mask2.nii.gz"),
        segkit("check", *words, "output=check"),
        segkit("prepare", *words, "plan.patch=[16,16,16]"),
        segkit("inspect", *words, *plain, "patches=2", "output=seen"),
        segkit("train", *words, *FEW, "output=run"),
        segkit("predict", "run=run", f"input={named}", "output=masks"),
        segkit("predict", "run=run", "split=held_out"),
        segkit("evaluate", "run=run"),
        segkit("report", "run=run"),
        segkit("package", "run=run", "output=liver.segkit"),
        segkit("measure", "masks=masks", "output=features.csv"),
        segkit("convert", *words, "layout=nnunet", "output=Dataset001_Liver"),
    ]
    assert lines_that_tell(said, named) == []
    assert planted_in_files(segkit.folder, [named]) == {}


@pytest.mark.parametrize("name_by", ["uid", "folder"])
def test_no_case_is_called_after_a_patient_unless_that_is_asked_for(segkit, name_by):
    root = segkit.folder.parent / "export"
    for number in range(2):
        slices = planted_series(number)
        save(root / f"QUIXWORTH^ZEBULON ({number})", slices)
        write_seg(root / f"{number}.seg", slices, {"liver": box(*organ(number)[0], shape=SHAPE)})
    words = ("data=dicom_tree", f"data.root={root}", "data.labels={background: 0, liver: 1}")
    segkit("convert", *words, f"data.layout.name_by={name_by}", "layout=nnunet", "output=Dataset001_Liver")
    assert planted_in_files(segkit.folder, [root]) == {}


def test_no_broken_object_makes_a_command_tell(segkit, broken, tmp_path):
    words = ("data=dicom_tree", f"data.root={broken}", "data.labels={background: 0, liver: 1, lesion: 2}",
             "data.split.held_out_fraction=0.3", "data.skip_unusable=true")  # fmt: skip
    said = [
        segkit("convert", f"input={broken}", "list=true", "output=table.csv"),
        segkit("convert", f"input={broken}", "output=scans", expect=1),
        *[
            segkit("convert", f"input={broken}/{FOLDER}/{name}", f"like={broken}", "output=mask.nii.gz", expect=1)
            for name in ("seg0 cut", "seg0 short", "rt1 cut", "rt1 short", "junk")
        ],
        segkit("check", *words, "output=check", expect=(0, 1)),
        segkit("train", *words, *FEW, "output=run"),
        segkit("predict", "run=run", f"input={broken}", "output=masks", expect=1),
        segkit("evaluate", "run=run"),
    ]
    assert not [result.stderr for result in said if "Traceback" in result.stderr]
    assert lines_that_tell(said, broken) == []
    assert planted_in_files(segkit.folder, [broken]) == {}


@pytest.mark.parametrize(
    ("person", "folder"),
    [
        ({"PatientName": "Quixworth^Zebulon"}, "Quixworth_Z"),
        ({"PatientName": "Quixworth^Zebulon"}, "zebulonquixworth"),
        ({"PatientName": "Li^Wu"}, "LI_WU"),
        ({"PatientName": "X^Y", "PatientBirthDate": "19310723"}, "1931-07-23"),
        ({"PatientName": "X^Y", "PatientBirthDate": "19310723"}, "X_23.07.1931"),
        ({"PatientName": "Quixworth^Zebulon", "PatientID": "MRN7741902"}, "MRN7741902"),
        ({"PatientName": "X^Y", "OtherPatientNames": "Vanterpool^Ottilie"}, "vanterpool"),
        ({"PatientName": "M\u00fcller^J\u00f6rg", "SpecificCharacterSet": "ISO_IR 192"}, "MUELLER"),
    ],
)
def test_a_folder_that_tells_who_was_scanned_names_no_file(segkit, person, folder):
    for name in (folder, "other"):
        save(segkit.folder / "export" / name, series(name, **{"PatientID": "ID1", **person}))
    segkit("convert", "input=export", "output=scans")
    names = {path.name for path in (segkit.folder / "scans").iterdir()}
    assert len(names) == 2
    assert f"{folder}.nii.gz" not in names


def test_folders_of_pseudonyms_name_their_masks(segkit):
    for name in ("sub-01", "LIDC-0002"):
        person = {"PatientName": name, "PatientID": name}
        save(segkit.folder / "export" / name, series(name, patient=name, **person))
    segkit("convert", "input=export", "output=scans")
    assert {path.name for path in (segkit.folder / "scans").iterdir()} == {"sub-01.nii.gz", "LIDC-0002.nii.gz"}
