"""A DICOM export with references as a data set, through every command."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest

from segkit.volumes.dicom.instances import hashed
from tests.end_to_end.dicom.trees import FEW, PATIENTS, SHAPE, TREE, cases_of, organ, scan, write_patient
from tests.volumes.dicom.drawn import ORIGIN, STEP, box, changed, grid_of, save, uid, write_seg


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
