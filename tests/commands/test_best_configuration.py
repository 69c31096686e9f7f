"""`segkit compare best=` with a cascade among the configurations: weighed, chosen, moved and packed."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

import segkit
from segkit import cli
from segkit.config.compose import configure
from segkit.foundation.files import write_json, write_yaml
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import read_record

CASES = [f"case{number}" for number in range(8)]
FOLDS = (CASES[:4], CASES[4:])


@pytest.fixture
def cohort(tmp_path, untrained_run):
    """Scans whose references are what a cascade makes of them: no other network is as good."""
    earlier = untrained_run("earlier", seed=5)
    run, options = untrained_run("cascade", seed=6, previous=[earlier]), configure("train", words(tmp_path)).inference
    cascade = segkit.load(run, device="cpu", options=options)
    for folder in ("images", "labels"):
        (tmp_path / "cohort" / folder).mkdir(parents=True)
    for number, case in enumerate(CASES):
        noise = np.random.default_rng(number).normal(size=(16, 17, 18)).astype(np.float32)
        scan = tmp_path / "cohort" / "images" / f"{case}.nii.gz"
        nib.save(nib.Nifti1Image(noise, np.eye(4)), scan)
        cascade.segment(scan).save(tmp_path / "cohort" / "labels" / f"{case}.nii.gz")
    return tmp_path / "cohort"


def words(folder):
    return [
        "data=paired", f"data.root={folder}/cohort", "data.channels={CT: ct}", "training.steps=1", "data.split.folds=2",
        "data.labels={background: 0, left: 3, right: 7}", "inference.mirror=none",
    ]  # fmt: skip


@pytest.fixture
def studies(cohort, tmp_path, untrained_run):
    """Two folds of a network, and of the cascade."""
    for study, seed, previous in (("flat", 1, []), ("cascaded", 6, [tmp_path / "earlier"])):
        for fold, validation in enumerate(FOLDS):
            typed = [*words(tmp_path), f"training.fold={fold}"]
            run = RunFolder(untrained_run(f"{study}/fold{fold}", seed=seed, previous=previous))
            write_yaml(run.config, configure("train", typed))
            write_yaml(run.overrides, [*typed, f"cascade={'low_full' if previous else 'none'}"])
            write_json(run.split, {"training": [], "validation": validation, "held_out": []})
            run.set_status("finished", seconds=3600)
    return tmp_path


def test_a_cascade_that_is_shown_to_be_better_is_chosen_and_goes_wherever_its_model_goes(studies, monkeypatch):
    monkeypatch.chdir(studies)
    assert cli.main(["compare", "runs=[flat,cascaded]", "best=best", "device=cpu", "workers=1"]) == 0
    record = json.loads((studies / "best" / "best.json").read_text())
    assert {each["name"]: each["networks"] for each in record["candidates"]} == {
        "flat": 2, "cascaded": 4, "flat + cascaded": 6,
    }  # fmt: skip
    assert record["chosen"] == "cascaded"
    assert next(each for each in record["candidates"] if each["name"] == "cascaded")["mean"] == 1.0
    assert [read_record(studies / "best" / name / "model").previous for name in record["members"]] == [1, 1]
    assert cli.main(["package", "run=best", "output=best.segkit"]) == 0
    for gone in ("flat", "cascaded", "earlier"):
        shutil.rmtree(studies / gone)
    for run in ("best", "best.segkit"):
        assert cli.main(["predict", f"run={run}", "input=cohort/images", f"output=masks/{run}", "device=cpu"]) == 0
    for case in CASES:
        one, other = (studies / "masks" / run / f"{case}.nii.gz" for run in ("best", "best.segkit"))
        assert one.read_bytes() == other.read_bytes()
