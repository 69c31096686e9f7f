import json

import pytest

from segkit.commands.check import check, sided_labels
from segkit.config.compose import configure
from segkit.datasets.dataset import open_dataset
from segkit.foundation.errors import CasesFailedError


def written(tmp_path):
    return json.loads((tmp_path / "check" / "check.json").read_text())


def test_every_fault_of_the_faulty_hippocampi_is_found_and_nothing_else(segkit_data, tmp_path):
    folder = segkit_data / "hippocampus_faulty"
    words = ["data=hippocampus", f"data.root={folder}", "data.split.held_out=null", f"output={tmp_path}/check"]
    with pytest.raises(CasesFailedError, match="17 of 32 cases cannot be used"):
        check(configure("check", words))
    found = {(each["case"], each["severity"], each["code"]) for each in written(tmp_path)}
    faults = json.loads((folder / "faults.json").read_text())["faults"]
    assert found == {(each["case"], each["severity"], each["fault"]) for each in faults if each["fault"] != "none"}
    assert all(set(each) == {"case", "severity", "code", "message", "file"} for each in written(tmp_path))


def test_the_sound_hippocampi_have_no_errors_and_no_mirrored_references(segkit_data, tmp_path):
    words = ["data=hippocampus", f"data.root={segkit_data}/hippocampus", f"output={tmp_path}/check", "workers=2"]
    findings = check(configure("check", words))
    assert {(each.severity, each.code) for each in findings} == {("warning", "intensity-outlier")}


def test_the_membranes_have_no_findings(segkit_data, tmp_path):
    words = ["data=em_membranes", f"data.root={segkit_data}/em_membranes", f"output={tmp_path}/check"]
    assert check(configure("check", words)) == []
    assert written(tmp_path) == []


def test_a_held_out_list_that_divides_a_patient_is_a_leak(segkit_data, tmp_path):
    root = segkit_data / "hippocampus"
    names = sorted(path.name.removesuffix(".nii.gz") for path in (root / "images").iterdir())
    table = tmp_path / "patients.csv"
    table.write_text("case,patient\n" + "".join(f"{name},{index // 2}\n" for index, name in enumerate(names)))
    words = ["data=hippocampus", f"data.root={root}", f"data.columns={table}", "data.split.group_by=patient"]
    with pytest.raises(CasesFailedError, match="40 of 200 cases cannot be used"):
        check(configure("check", [*words, f"output={tmp_path}/check"]))
    leaked = [each for each in written(tmp_path) if each["code"] == "leak"]
    held_out = (root / "held_out.txt").read_text().split()
    assert [each["case"] for each in leaked] == sorted(held_out)
    assert all("same patient" in each["message"] and each["severity"] == "error" for each in leaked)


def test_sided_labels_without_a_pair_are_told(tmp_path):
    def found(*words):
        options = configure("check", ["data=paired", f"data.root={tmp_path}", *words]).data
        return [each.message for each in sided_labels(open_dataset(options))]

    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.npy").touch()
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.npy").touch()
    sided = "data.labels={background: 0, left_kidney: 1, right_kidney: 2, liver: 3}"
    assert len(found(sided)) == 1
    assert found(sided, "data.mirrored=[[right_kidney, left_kidney]]") == []
    assert found("data.labels={background: 0, left_kidney: 1, liver: 2}") == []
