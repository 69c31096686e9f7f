"""A DICOM export with references as a data set, through every command; and nobody's identity in what they leave."""

import gzip
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from pydicom.config import disable_value_validation

from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.conftest import SMALL
from tests.end_to_end.test_dicom_exports import WarmLine, report
from tests.volumes.dicom.test_references import (
    ORIGIN,
    STEP,
    box,
    changed,
    grid_of,
    save,
    series,
    uid,
    write_seg,
    write_structures,
)

SHAPE = (20, 18, 12)
PATIENTS = 8
FEW = ("training.steps=2", "training.workers=0", "augmentation=none", "inference.mirror=none", *SMALL)
TREE = ("data=dicom_tree", "data.labels={background: 0, liver: 1, lesion: 2}", "data.split.held_out_fraction=0.25")


@pytest.fixture
def segkit(tmp_path):
    """The command line in an empty folder."""
    (tmp_path / "here").mkdir()
    return WarmLine(tmp_path / "here")


def organ(number):
    """Return where a patient's liver and lesion lie, as columns, rows and slices."""
    shift = number % 3
    return ((3 + shift, 13 + shift), (4, 14), (2, 10)), ((6 + shift, 10 + shift), (7, 11), (4, 8))


def scan(number, name="thorax", **changes):
    """Return a noisy series of one patient, brighter in the liver and in its lesion."""
    liver, lesion = (box(*extent, shape=SHAPE) for extent in organ(number))
    noise = np.random.default_rng(number).normal(0, 20, SHAPE)
    values = np.select([lesion, liver], [200, 100], 0) + noise.round().astype(int)
    return series(name, values, **{"patient": f"P{number}", **changes})


def write_patient(root, number, *, kind="SEG", names=("Liver", "Lesion"), **changes):
    """Write a series and, elsewhere, a reference of it; return the series' name."""
    slices = scan(number, **changes)
    save(root / f"DIR{number:03}" / "00A1", slices)
    liver, lesion = organ(number)
    if kind == "SEG":
        masks = {name: box(*extent, shape=SHAPE) for name, extent in zip(names, (liver, lesion), strict=True)}
        write_seg(root / "REFS" / f"{number:04X}", slices, masks)
    else:
        write_structures(root / "REFS" / f"{number:04X}", slices, dict(zip(names, (liver, lesion), strict=True)))
    return hashed(slices[0].SeriesInstanceUID)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Six patients with a SEG, two with a structure set; two of them were scanned twice."""
    root = tmp_path_factory.mktemp("tree") / "export"
    for number in range(PATIENTS):
        write_patient(root, number, kind="RTSTRUCT" if number > 5 else "SEG")
    save(root / "DIR900" / "00A1", [changed(report(), PatientID="P1")])
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory, tree):
    """A run of two steps on the tree."""
    line = WarmLine(tmp_path_factory.mktemp("trained"))
    line("train", *TREE, f"data.root={tree}", *FEW, "output=run")
    return line.folder / "run"


def cases_of(run):
    return json.loads((run / "split.json").read_text())


def test_check_finds_nothing_wrong(segkit, tree):
    said = segkit("check", *TREE, f"data.root={tree}", "output=check")
    found = json.loads((segkit.folder / "check" / "check.json").read_text())
    assert not [finding for finding in found if finding["severity"] == "error"]
    assert f"{PATIENTS} cases; errors: 0" in said.stdout
    assert not said.stderr


def test_prepare_and_inspect(segkit, tree):
    segkit("prepare", *TREE, f"data.root={tree}", "plan.patch=[16,16,16]")
    assert len(list((segkit.folder / "cache").rglob("reference.npy"))) >= PATIENTS - 2
    words = [word for word in FEW if "inference" not in word and "steps" not in word]
    segkit("inspect", *TREE, f"data.root={tree}", *words, "patches=6", "output=seen")
    seen = [np.unique(nib.load(path).dataobj) for path in (segkit.folder / "seen").glob("*_reference.nii.gz")]
    assert len(seen) == 6
    assert {int(value) for values in seen for value in values} == {0, 1, 2}


def test_masks_and_scores_of_the_runs_own_split(segkit, tree, trained):
    shutil.copytree(trained, segkit.folder / "run")
    split = cases_of(trained)
    assert len(split["held_out"]) == 2
    segkit("predict", "run=run", "split=held_out")
    masks = segkit.folder / "run" / "predictions" / "held_out"
    assert {path.name for path in masks.glob("*.nii.gz")} == {f"{case}.nii.gz" for case in split["held_out"]}
    for path in masks.glob("*.nii.gz"):
        mask = nib.load(path)
        assert mask.shape == SHAPE
        np.testing.assert_allclose(mask.affine, grid_of(SHAPE).affine, atol=1e-4)
    said = segkit("evaluate", "run=run")
    assert "segmenting" not in said.stdout
    summary = json.loads((segkit.folder / "run" / "evaluation" / "summary.json").read_text())
    assert set(summary["labels"]) == {"liver", "lesion"}
    assert summary["labels"]["lesion"]["dice"]["n"] == 2


def test_dice_of_masks_against_the_drawings_by_hand(segkit, tree, trained):
    """Masks are put in place of the predicted ones: the liver one slice short of 8, the lesion exact."""
    shutil.copytree(trained, segkit.folder / "run")
    segkit("predict", "run=run", "split=held_out")
    numbers = {hashed(uid(f"P{number}", "thorax")): number for number in range(PATIENTS)}
    for path in (segkit.folder / "run" / "predictions" / "held_out").glob("*.nii.gz"):
        liver, lesion = organ(numbers[path.name.removesuffix(".nii.gz")])
        short = box(*liver[:2], (liver[2][0], liver[2][1] - 1), shape=SHAPE)
        drawn = np.select([box(*lesion, shape=SHAPE), short], [2, 1], 0).astype(np.uint8)
        nib.save(nib.Nifti1Image(drawn, nib.load(path).affine), path)
    segkit("evaluate", "run=run", "output=scores")
    labels = json.loads((segkit.folder / "scores" / "summary.json").read_text())["labels"]
    whole, less = 10 * 10 * 8 - 4 * 4 * 4, 10 * 10 * 7 - 4 * 4 * 4
    assert labels["liver"]["dice"]["mean"] == pytest.approx(2 * less / (whole + less), abs=1e-6)
    assert labels["lesion"]["dice"]["mean"] == 1


def test_the_tree_becomes_a_data_set_of_nnunet(segkit, tree):
    segkit("convert", *TREE, f"data.root={tree}", "layout=nnunet", "output=Dataset007_Liver")
    folder = segkit.folder / "Dataset007_Liver"
    described = json.loads((folder / "dataset.json").read_text())
    assert described["labels"] == {"background": 0, "liver": 1, "lesion": 2}
    references = sorted(folder.glob("labelsTr/*.nii.gz"))
    assert len(references) + len(list(folder.glob("labelsTs/*.nii.gz"))) == PATIENTS
    numbers = {hashed(uid(f"P{number}", "thorax")): number for number in range(PATIENTS)}
    for path in references:
        liver, lesion = (box(*extent, shape=SHAPE) for extent in organ(numbers[path.name.removesuffix(".nii.gz")]))
        assert np.array_equal(nib.load(path).dataobj, np.select([lesion, liver], [2, 1], 0))


def test_a_run_keeps_its_labels_when_segments_of_other_names_appear(segkit, tree):
    """Without declared labels they are numbered by name; a name that sorts before them must not shift them."""
    grown = segkit.folder / "grown"
    shutil.copytree(tree, grown)
    words = (
        "data=dicom_tree",
        f"data.root={grown}",
        "data.layout.references=[SEG]",
        "data.split.held_out_fraction=0.4",
    )
    segkit("train", *words, *FEW, "training.checkpoint_every=1", "output=run")
    before = json.loads((segkit.folder / "run" / "split.json").read_text())
    config = (segkit.folder / "run" / "config.yaml").read_text()
    write_patient(grown, 50, names=("Aorta", "Liver"))
    state = segkit.folder / "run" / "status.json"
    state.write_text(state.read_text().replace("finished", "running"))
    segkit("train", "resume=run")
    segkit("predict", "run=run", "split=held_out")
    segkit("evaluate", "run=run")
    assert (segkit.folder / "run" / "config.yaml").read_text() == config
    assert json.loads((segkit.folder / "run" / "split.json").read_text()) == before
    summary = json.loads((segkit.folder / "run" / "evaluation" / "summary.json").read_text())
    assert set(summary["labels"]) == {"Liver", "Lesion"}


def test_a_killed_run_on_a_tree_that_grew_goes_on_with_its_own_cases(segkit, tree):
    grown = segkit.folder / "grown"
    shutil.copytree(tree, grown)
    words = ("data=dicom_tree", f"data.root={grown}", "data.layout.references=[SEG]")
    process = segkit.start_until_step(
        6, "run", "train", *words, *FEW[1:], "training.steps=400", "training.checkpoint_every=5", "output=run"
    )
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 130
    write_patient(grown, 51, names=("Aorta", "Spleen"))
    segkit("train", "resume=run")
    assert json.loads((segkit.folder / "run" / "status.json").read_text())["state"] == "finished"
    recorded = json.loads((segkit.folder / "run" / "cases.json").read_text())
    assert hashed(uid("P51", "thorax")) not in recorded


def test_a_drawing_that_changed_is_noticed_when_a_run_goes_on(segkit, tree):
    copy = segkit.folder / "copy"
    shutil.copytree(tree, copy)
    segkit("train", *TREE, f"data.root={copy}", *FEW, "output=run")
    case = cases_of(segkit.folder / "run")["training"][0]
    number = next(number for number in range(PATIENTS) if hashed(uid(f"P{number}", "thorax")) == case)
    slices = scan(number)
    write_seg(copy / "REFS" / f"{number:04X}", slices, {"liver": box((1, 3), (1, 3), (1, 3), shape=SHAPE)})
    state = segkit.folder / "run" / "status.json"
    state.write_text(state.read_text().replace("finished", "running"))
    said = segkit("train", "resume=run", expect=1)
    assert f"reference of {case}) is not the file that the run" in said.stderr


def test_two_channels_of_one_study(segkit, tmp_path):
    root = tmp_path / "mr"
    for number in range(5):
        t1, t2 = (scan(number, name, modality="MR") for name in ("T1 tse", "T2 tse"))
        save(root / str(number) / "x", t1)
        save(root / str(number) / "y", t2)
        write_seg(root / f"{number}.seg", t2, {"Liver": box(*organ(number)[0], shape=SHAPE)})
    words = ("data=dicom_tree", f"data.root={root}", "data.channels={T1: mr, T2: mr}",
             "data.layout.series={T1: {description: 't1*'}, T2: {description: 't2*'}}",
             "data.labels={background: 0, liver: 1}", "data.split.held_out_fraction=0.3")  # fmt: skip
    segkit("train", *words, *FEW, "output=run")
    segkit("evaluate", "run=run")
    held_out = cases_of(segkit.folder / "run")["held_out"]
    assert {path.name for path in (segkit.folder / "run/predictions/held_out").glob("*.nii.gz")} == {
        f"{case}.nii.gz" for case in held_out
    }


def test_unusable_references_are_named_and_left_out(segkit, tree):
    copy = segkit.folder / "copy"
    shutil.copytree(tree, copy)
    second = scan(2)
    write_seg(copy / "REFS" / "second reader", second, {"liver": box((1, 3), (1, 3), (1, 3), shape=SHAPE)})
    moved = [changed(one, ImagePositionPatient=[*(ORIGIN + [2, 0, 0] + k * STEP)]) for k, one in enumerate(scan(3))]
    write_seg(copy / "REFS" / "0003", moved, {"liver": box((1, 3), (1, 3), (1, 3), shape=SHAPE)})
    bad = [hashed(uid(f"P{number}", "thorax")) for number in (2, 3)]
    checked = segkit("check", *TREE, f"data.root={copy}", "output=check", expect=1)
    found = json.loads((segkit.folder / "check" / "check.json").read_text())
    assert {finding["case"] for finding in found if finding["severity"] == "error"} == set(bad)
    assert f"2 of {PATIENTS} cases cannot be used" in checked.stderr
    refused = segkit("train", *TREE, f"data.root={copy}", *FEW, "output=run", expect=1)
    assert "data.skip_unusable=true" in refused.stderr
    segkit("train", *TREE, f"data.root={copy}", *FEW, "data.skip_unusable=true", "output=run")
    split = cases_of(segkit.folder / "run")
    assert not set(bad) & {case for cases in split.values() if isinstance(cases, list) for case in cases}


def test_a_misspelt_label_is_one_line(segkit, tree):
    words = ("data=dicom_tree", f"data.root={tree}", "data.labels={background: 0, livr: 1}")
    said = segkit("check", *words, expect=(1, 2))
    (line,) = said.stderr.strip().splitlines()
    assert "livr" in line
    assert "Lesion, Liver" in line


def test_the_synthetic_cohort_is_such_a_tree(segkit, tmp_path):
    from segkit.datasets.phantom import make_cohort

    cohort = make_cohort(tmp_path / "cohort", cases=4, seed=1, held_out=1, workers=1)
    said = segkit("check", "data=phantom_ct", f"data.root={cohort.folder}", "output=check")
    assert "4 cases; errors: 0" in said.stdout


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
