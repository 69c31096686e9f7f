import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segkit.commands.check import check, examinations, show, sided_labels
from segkit.config.compose import configure
from segkit.datasets.dataset import open_dataset
from segkit.datasets.soundness.findings import ERROR, found
from segkit.foundation.errors import CasesFailedError, UsageError
from tests.commands.faulty_hippocampi import faulty_set
from tests.reports.reading_pages import Reader


def written(tmp_path):
    return json.loads((tmp_path / "check" / "check.json").read_text())


def found_in(tmp_path):
    return {(each["case"], each["severity"], each["code"]) for each in written(tmp_path)}


def test_every_fault_of_the_faulty_hippocampi_is_found_and_nothing_else(segkit_data, tmp_path, capsys):
    folder = segkit_data / "hippocampus_faulty"
    words = ["data=hippocampus", f"data.root={folder}", f"output={tmp_path}/check"]
    with pytest.raises(CasesFailedError, match="17 of 32 cases cannot be used"):
        check(configure("check", words))
    faults = json.loads((folder / "faults.json").read_text())["faults"]
    expected = {(each["case"], each["severity"], each["fault"]) for each in faults if each["fault"] != "none"}
    assert found_in(tmp_path) == expected
    assert len(written(tmp_path)) == len(expected)
    assert all(set(each) == {"case", "severity", "code", "message", "file"} for each in written(tmp_path))
    severities = [each["severity"] for each in written(tmp_path)]
    assert severities == sorted(severities)
    told = capsys.readouterr()
    assert "images/hippocampus_197.nii.gz  cannot be read: is an empty file; copy or export the file again" in told.out
    assert "errors: 17, warnings: 4" in told.out
    assert "there is no file" in told.err  # the held-out list, which training would need


@pytest.mark.parametrize("seed", range(4))
def test_random_faults_are_found_and_nothing_else(seed, segkit_data, tmp_path):
    expected = faulty_set(segkit_data / "hippocampus", tmp_path / "set", seed)
    words = ["data=hippocampus", f"data.root={tmp_path}/set", f"output={tmp_path}/check", "workers=1"]
    with pytest.raises(CasesFailedError):
        check(configure("check", words))
    # The cohort's intensity scales are wild, and whether one case stands out depends on the others drawn.
    found = {each for each in found_in(tmp_path) if each[2] != "intensity-outlier"}
    assert found == {(case, *fault) for case, fault in expected.items() if fault[0] != "none"}


def test_the_sound_hippocampi_have_one_warning_and_leave_no_other_trace(segkit_data, tmp_path):
    words = ["data=hippocampus", f"data.root={segkit_data}/hippocampus", f"output={tmp_path}/check", "workers=2"]
    findings = check(configure("check", words))
    assert [(each.case, each.severity, each.code) for each in findings] == [("", "warning", "intensity-outlier")]
    assert sorted(path.name for path in (tmp_path / "check").iterdir()) == ["check.html", "check.json"]


def test_the_membranes_have_no_findings(segkit_data, tmp_path):
    words = ["data=em_membranes", f"data.root={segkit_data}/em_membranes", f"output={tmp_path}/check"]
    assert check(configure("check", words)) == []
    assert written(tmp_path) == []


def test_pictures_with_faults(segkit_data, tmp_path):
    shutil.copytree(segkit_data / "em_membranes", tmp_path / "set")
    images, labels = tmp_path / "set" / "images", tmp_path / "set" / "labels"
    (images / "1.png").write_bytes((images / "1.png").read_bytes()[:5000])
    (labels / "2.png").unlink()
    shutil.copy(images / "3.png", images / "30.png")
    shutil.copy(labels / "3.png", labels / "30.png")
    shutil.copy(labels / "4.png", labels / "5.png")
    with pytest.raises(CasesFailedError, match="2 of 21"):
        check(configure("check", ["data=em_membranes", f"data.root={tmp_path}/set", f"output={tmp_path}/check"]))
    errors = {("1", "error", "unreadable"), ("2", "error", "missing-reference")}
    assert found_in(tmp_path) == {*errors, ("30", "warning", "duplicate-image")}


def test_the_page_shows_every_case_and_finding_and_no_folder(segkit_data, tmp_path):
    folder = segkit_data / "hippocampus_faulty"
    with pytest.raises(CasesFailedError):
        check(configure("check", ["data=hippocampus", f"data.root={folder}", f"output={tmp_path}/check"]))
    text = (tmp_path / "check" / "check.html").read_text(encoding="utf-8")
    page = Reader(text)
    assert len([1 for tag, known in page.elements if tag == "li" and "data-worst" in known]) == 32
    assert str(segkit_data) not in text
    for finding in written(tmp_path):
        assert finding["code"] in page.text
        assert finding["case"] in page.text
    pictures = page.attributes("img", "alt")
    assert "hippocampus_001, axial slice" in " ".join(pictures)
    assert not any("hippocampus_010" in alt for alt in pictures)  # has no image
    assert {"error", "warning", "none"} == set(page.attributes("li", "data-worst"))
    assert "Volume of labels" in page.text


@pytest.fixture
def small(segkit_data, tmp_path):
    """Twelve hippocampi and what checks them."""
    for kind in ("images", "labels"):
        (tmp_path / "set" / kind).mkdir(parents=True)
        for path in sorted((segkit_data / "hippocampus" / kind).iterdir())[:12]:
            shutil.copy(path, tmp_path / "set" / kind / path.name)
    return ["data=paired", f"data.root={tmp_path}/set", "data.labels={background: 0, a: 1, p: 2}",
            f"output={tmp_path}/check"]  # fmt: skip


def names_of(tmp_path):
    return sorted(path.name.removesuffix(".nii.gz") for path in (tmp_path / "set" / "images").iterdir())


def duplicate(tmp_path, name, twin):
    for kind in ("images", "labels"):
        shutil.copy(tmp_path / "set" / kind / f"{name}.nii.gz", tmp_path / "set" / kind / f"{twin}.nii.gz")


def test_a_held_out_list_that_divides_a_patient_or_an_image_leaks(small, tmp_path):
    names = names_of(tmp_path)
    duplicate(tmp_path, names[0], "zz")
    table, held_out = tmp_path / "patients.csv", tmp_path / "held_out.txt"
    table.write_text("case,patient\n" + "".join(f"{name},{index // 2}\n" for index, name in enumerate(names)))
    held_out.write_text(f"{names[0]}\n{names[3]}\n{names[4]}\n{names[5]}\n")
    words = [*small, f"data.columns={table}", "data.split.group_by=patient", f"data.split.held_out={held_out}"]
    with pytest.raises(CasesFailedError, match="3 of 13 cases cannot be used"):
        check(configure("check", words))
    leaks = {each["case"]: each["message"] for each in written(tmp_path) if each["code"] == "leak"}
    assert sorted(leaks) == [names[0], names[3], "zz"]
    assert f"same patient (0) as {names[1]}" in leaks[names[0]]
    assert f"same image as {names[0]}, which is held out" in leaks["zz"]


def test_a_split_that_is_drawn_keeps_equal_images_together(small, tmp_path):
    duplicate(tmp_path, names_of(tmp_path)[0], "zz")
    check(configure("check", [*small, "data.split.held_out_fraction=0.3"]))
    assert found_in(tmp_path) == {("zz", "warning", "duplicate-image")}


def test_a_fold_of_a_written_split_that_leaks(small, tmp_path):
    names = names_of(tmp_path)
    duplicate(tmp_path, names[0], "zz")
    folds = [{"train": names[:6], "val": names[6:]}, {"train": names, "val": ["zz"]}]
    (tmp_path / "splits_final.json").write_text(json.dumps(folds))
    with pytest.raises(CasesFailedError):
        check(configure("check", [*small, f"data.split.file={tmp_path}/splits_final.json"]))
    assert ("zz", "error", "leak") in found_in(tmp_path)


def test_a_split_that_cannot_be_is_told_beside_all_else(small, tmp_path):
    (tmp_path / "held_out.txt").write_text("nobody\n")
    check(configure("check", [*small, f"data.split.held_out={tmp_path}/held_out.txt"]))
    assert found_in(tmp_path) == {("", "warning", "split")}
    assert "nobody" in written(tmp_path)[0]["message"]


@pytest.mark.parametrize("key", ["group_by", "stratify_by"])
def test_an_unknown_column_is_a_mistake_of_the_call(key, small, tmp_path):
    with pytest.raises(UsageError, match=f"{key}.*no case has a column"):
        check(configure("check", [*small, f"data.split.{key}=patiend"]))


def test_one_and_two_workers_see_the_same(small):
    dataset = open_dataset(configure("check", small).data)
    assert examinations(dataset, 0.01, 1) == examinations(dataset, 0.01, 2)


def test_a_wider_tolerance_lets_a_shift_pass(small, tmp_path):
    path = tmp_path / "set" / "labels" / f"{names_of(tmp_path)[0]}.nii.gz"
    stored = nib.load(path)
    moved = stored.affine.copy()
    moved[0, 3] += 0.05
    nib.save(nib.Nifti1Image(np.asarray(stored.dataobj), moved), path)
    with pytest.raises(CasesFailedError):
        check(configure("check", small))
    assert check(configure("check", [*small, "grid_tolerance=0.1"])) == []


def test_sided_labels_without_a_pair_are_told(tmp_path):
    def found(names, mirrored="[]"):
        labels = ", ".join(f"{name}: {index + 1}" for index, name in enumerate(names.split()))
        words = [f"data.labels={{background: 0, {labels}}}", f"data.mirrored={mirrored}"]
        options = configure("check", ["data=paired", f"data.root={tmp_path}", *words]).data
        return [each.message for each in sided_labels(open_dataset(options))]

    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.npy").touch()
    for names in (
        "left_kidney right_kidney liver",
        "KidneyLeft KidneyRight",
        "lung-l lung-r",
        "Niere_links Niere_rechts",
    ):
        assert len(found(names)) == 1
    assert "left_kidney and right_kidney are sided" in found("left_kidney right_kidney")[0]
    assert found("left_kidney right_kidney", "[[right_kidney, left_kidney]]") == []
    assert found("left_kidney liver colon rectum") == []


def test_findings_that_differ_in_nothing_but_the_case_share_a_row(capsys):
    lacking = [found(f"case_{n}", ERROR, "missing-reference", "there is none", f"/set/{n}.nii") for n in range(4)]
    show([*lacking, found("case_9", ERROR, "missing-reference", "it is torn", "/set/9.nii")], 9, Path("/set"))
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(ERROR)]
    assert [re.split(r"\s{2,}", row)[1:4] for row in rows] == [
        ["4 cases: case_0, case_1, case_2 ...", "missing-reference", "0.nii ..."],
        ["case_9", "missing-reference", "9.nii"],
    ]
