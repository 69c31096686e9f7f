"""Rules of postprocessing through the command line: learnt by a training, applied, overruled, told."""

import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

import segkit as package
from segkit.foundation.files import read_yaml, write_yaml
from tests.end_to_end.conftest import SMALL

CASES = 14  # of which one of two folds validates


def components(path):
    mask = np.asanyarray(nib.load(path).dataobj)
    return ndimage.label(mask == 1, np.ones((3, 3, 3)))[1]


def counts(folder):
    return {path.name: components(path) for path in sorted((folder).glob("*.nii.gz"))}


@pytest.fixture(scope="session")
def specks(tmp_path_factory):
    """A bright ball in each image, and specks as bright as it that are none of it."""
    root = tmp_path_factory.mktemp("specks")
    for folder in ("images", "labels"):
        (root / folder).mkdir()
    for index in range(CASES):
        draw = np.random.default_rng(index)
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in (22, 20, 16)], indexing="ij"))
        centre = [draw.uniform(6, 8), *draw.uniform(7, 9, 2)]
        reference = (((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) < 16).astype(np.uint8)
        bright = reference.astype(bool)
        for x, y in ((17, 3), (18, 15)):
            bright[x : x + 2, y : y + 2, 2 + index % 10 : 4 + index % 10] = True
        image = np.where(bright, 100, 0) + draw.normal(0, 10, bright.shape)
        affine = np.diag([1.0, 1.0, 1.5, 1.0])
        nib.save(nib.Nifti1Image(image.astype(np.int16), affine), root / "images" / f"{index:02}.nii.gz")
        nib.save(nib.Nifti1Image(reference, affine), root / "labels" / f"{index:02}.nii.gz")
    return root


@pytest.fixture(scope="session")
def trained(uninterrupted_line, specks):
    """A run, and what it said; its network sees so little around a voxel that specks look like balls to it."""
    options = ["data=paired", f"data.root={specks}", "data.labels={background: 0, ball: 1}", "data.split.folds=2"]
    said = uninterrupted_line(
        "train", *options, *SMALL, "network.features=[4]", "optimizer=adamw", "training.steps=60", "training.fold=0",
        "output=specks",
    )  # fmt: skip
    return uninterrupted_line.folder / "specks", said.stdout


def test_what_a_training_learns_is_told_and_stored(trained):
    run, said = trained
    learnt = read_yaml(run / "model" / "model.yaml")["postprocessing"]
    assert set(learnt) == {"ball"}
    assert learnt["ball"]["keep_largest"] or learnt["ball"]["smallest_mm3"] > 0
    assert "postprocessing learnt on 7 cases, which predictions apply: ball: " in said
    evidence = json.loads((run / "postprocessing.json").read_text())
    assert evidence["rules"] == learnt
    assert evidence["cases"] == sorted(json.loads((run / "split.json").read_text())["validation"])
    assert len(evidence["cases"]) == CASES // 2
    removal = evidence["evidence"][0]
    assert (removal["label"], removal["cases"], removal["is_kept"]) == ("ball", 7, True)
    assert removal["gain"] > 0
    assert removal["p"] == pytest.approx(2 / 2**7)  # every case gains


def test_masks_follow_the_rules_and_are_made_anew_when_these_change(segkit, trained, specks):
    run, _ = trained
    words = ("predict", f"run={run}", f"input={specks / 'images'}", "output=masks")
    masks = segkit.folder / "masks"
    assert "postprocessing: none, as asked\n" in segkit(*words, "postprocessing=none").stdout
    before = counts(masks)
    assert len(before) == CASES
    assert all(count > 1 for count in before.values())
    ruled = segkit(*words)
    assert "postprocessing: ball: " in ruled.stdout
    assert "were there already" not in ruled.stdout
    assert all(0 < count < before[name] for name, count in counts(masks).items())
    assert f"{CASES} of {CASES} masks were there already" in segkit(*words).stdout
    erased = segkit(*words, "postprocessing.rules={ball: {smallest_mm3: 100000}}")
    assert "postprocessing: ball: no components below 100000 mm3\n" in erased.stdout
    assert set(counts(masks).values()) == {0}
    segkit(*words, "postprocessing.rules={ball: {}}")  # takes the place of what was learnt of the ball
    assert counts(masks) == before


def test_the_gain_is_that_of_the_validation_cases(segkit, trained):
    run, _ = trained
    means = {}
    for choice in ("none", "learnt"):
        segkit("predict", f"run={run}", "split=validation", f"postprocessing={choice}", f"output={choice}")
        labels = read_yaml(run / "config.yaml")["data"]["root"] + "/labels"
        segkit("evaluate", f"predictions={choice}", f"references={labels}", f"output=scores_{choice}")
        summary = json.loads((segkit.folder / f"scores_{choice}" / "summary.json").read_text())
        means[choice] = summary["labels"]["ball"]["dice"]["mean"]
    gains = [each["gain"] for each in json.loads((run / "postprocessing.json").read_text())["evidence"]]
    assert means["learnt"] - means["none"] == pytest.approx(gains[0], abs=1e-3)
    assert gains[0] > 0.01


def test_the_python_door_applies_them_too(segkit, trained, specks):
    run, _ = trained
    model = package.load(run, device="cpu")
    assert set(model.rules) == {"ball"}
    assert components(model.segment(specks / "images" / "03.nii.gz").save(segkit.folder / "mask.nii.gz")) == 1


def test_an_ensemble_applies_what_its_models_share(segkit, trained, specks):
    run, _ = trained
    other = segkit.folder / "other"
    shutil.copytree(run, other)
    record = read_yaml(other / "model" / "model.yaml")
    write_yaml(other / "model" / "model.yaml", {**record, "postprocessing": {}})
    scan = specks / "images" / "03.nii.gz"
    both = segkit("predict", f"run=[{run},{run}]", f"input={scan}", "output=both")
    assert "postprocessing: ball: " in both.stdout
    mixed = segkit("predict", f"run=[{run},{other}]", f"input={scan}", "output=mixed")
    assert "postprocessing: none: the models share no rule that they learnt\n" in mixed.stdout


def test_killed_before_it_learnt_it_learns_the_same_when_it_goes_on(segkit, trained):
    run, _ = trained
    copy = segkit.folder / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "model")
    (copy / "postprocessing.json").unlink()
    (copy / "status.json").write_text('{"state": "running"}')
    segkit("train", "resume=run")
    assert (copy / "postprocessing.json").read_bytes() == (run / "postprocessing.json").read_bytes()
    again, once = (read_yaml(folder / "model" / "model.yaml") for folder in (copy, run))
    assert again["postprocessing"] == once["postprocessing"]


def test_few_cases_teach_nothing_and_none_are_asked_where_all_train(segkit, ball_options):
    few = segkit("train", *ball_options, "training.steps=2", "training.fold=0", "output=few")
    assert "masks stay as the network makes them: at least 6 validation cases" in few.stdout
    assert json.loads((segkit.folder / "few" / "postprocessing.json").read_text())["rules"] == {}
    every = segkit("train", *ball_options, "training.steps=2", "output=all")
    assert "postprocessing" not in every.stdout
    assert not (segkit.folder / "all" / "postprocessing.json").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("postprocessing.rules={bal: {fill_holes: true}}", "bal is not a label; did you mean ball? labels: ball"),
        ("postprocessing.rules={ball: {fill_hole: true}}", "did you mean fill_holes?"),
        ("postprocessing.rules={ball: {smallest_mm3: -1}}", "ball.smallest_mm3: -1"),
        ("postprocessing.rules={ball: {keep_largest: 3}}", "ball.keep_largest: 3"),
        ("postprocessing=lernt", "did you mean learnt?"),
        ("postprocessing.learn=false", "did you mean postprocessing.learnt?"),
    ],
)
def test_a_mistake_is_one_line_before_any_scan_is_read(segkit, trained, words, says):
    (segkit.folder / "scan.nii.gz").write_bytes(b"not a scan")
    result = segkit("predict", f"run={trained[0]}", "input=scan.nii.gz", "output=masks", words, expect=2)
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (segkit.folder / "masks").exists()
