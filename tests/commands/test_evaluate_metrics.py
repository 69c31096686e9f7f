"""`segkit evaluate` with every metric, nnU-Net's summary, probabilities, and what goes wrong."""

import csv
import json

import nibabel
import numpy as np
import pytest

from segkit.cli import main


@pytest.fixture
def cohort(tmp_path):
    random = np.random.default_rng(3)
    for case in "ab":
        reference = np.zeros((12, 11, 10), np.uint8)
        reference[2:6, 2:6, 2:6], reference[8:10, 7:9, 3:7] = 1, 2 * (case == "a")
        mask = np.roll(reference, 1, axis=0)
        likely = np.clip(np.stack([mask == value for value in range(3)], axis=-1) + random.random(1) * 0.1, 0, 1)
        for folder, array in (("masks", mask), ("labels", reference), ("likely", likely.astype(np.float32))):
            (tmp_path / folder).mkdir(exist_ok=True)
            nibabel.save(
                nibabel.Nifti1Image(array, np.diag([1.0, 1.0, 2.5, 1.0])), tmp_path / folder / f"{case}.nii.gz"
            )
    return tmp_path


def evaluate(folder, *words):
    names = {"predictions": "masks", "references": "labels", "output": "out"}
    given = [f"{key}={folder / name}" for key, name in names.items()]
    return main(["evaluate", *given, "labels={background: 0, liver: 1, tumour: 2}", *words])


def test_everything_at_once(cohort):
    words = ["metrics.compute=[all]", f"probabilities={cohort / 'likely'}", "format=nnunet"]
    assert evaluate(cohort, *words) == 0
    rows = list(csv.DictReader((cohort / "out" / "cases.csv").open(encoding="utf-8")))
    value = {(row["case"], row["label"], row["metric"]): row["value"] for row in rows}
    assert float(value["a", "liver", "hd"]) == 1
    assert float(value["a", "tumour", "lesion_f1"]) == 1
    assert 0 < float(value["a", "tumour", "ece"]) < 0.2
    assert value["b", "tumour", "dice"] == ""
    tree = json.loads((cohort / "out" / "summary.json").read_text(encoding="utf-8"))
    assert tree["empty"]["tumour"] == {"both": 1, "mask": 0, "reference": 0}
    assert set(tree["labels"]["liver"]) == set(tree["metrics"])
    bins = list(csv.DictReader((cohort / "out" / "reliability.csv").open(encoding="utf-8")))
    assert sum(int(row["voxels"]) for row in bins if row["label"] == "liver") == 2 * 12 * 11 * 10


def test_the_summary_of_nnunet(cohort):
    assert evaluate(cohort, "metrics.compute=[dice]", "format=nnunet") == 0
    tree = json.loads((cohort / "out" / "nnunet" / "summary.json").read_text(encoding="utf-8"))
    assert set(tree) == {"foreground_mean", "mean", "metric_per_case"}
    first = tree["metric_per_case"][0]
    assert first["prediction_file"].endswith("masks/a.nii.gz")
    assert first["metrics"]["1"] == {
        "Dice": 0.75, "FN": 16, "FP": 16, "IoU": 0.6, "TN": 1240, "TP": 48, "n_pred": 64, "n_ref": 64,
    }  # fmt: skip
    assert tree["metric_per_case"][1]["metrics"]["2"]["Dice"] is None
    assert tree["mean"]["2"]["Dice"] == first["metrics"]["2"]["Dice"]
    both = [tree["mean"][key]["Dice"] for key in "12"]
    assert tree["foreground_mean"]["Dice"] == pytest.approx(sum(both) / 2)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["metrics.compute=[hd96]"], 2, "no metric or group hd96"),
        (["metrics.compute=[brier]"], 2, "needs probabilities"),
        (["metrics.tolerances={livr: 2.0}"], 2, "no label livr"),
        (["metrics.convention=areas"], 2, "area"),
    ],
)
def test_mistakes_are_found_first(cohort, capfd, words, code, message):
    assert evaluate(cohort, *words) == code
    assert message in capfd.readouterr().err
    assert not (cohort / "out" / "cases.csv").exists()


def test_probabilities_with_the_wrong_channels_name_the_file(cohort, capfd):
    path = cohort / "likely" / "a.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros((12, 11, 10, 5), np.float32), np.diag([1.0, 1.0, 2.5, 1.0])), path)
    assert evaluate(cohort, f"probabilities={path.parent}") == 1
    tree = json.loads((cohort / "out" / "summary.json").read_text(encoding="utf-8"))
    assert [case["case"] for case in tree["failed"]] == ["a"]
    assert "a.nii.gz has 5 channels" in tree["failed"][0]["error"]
    assert f"error: a: {tree['failed'][0]['error']}\n" in capfd.readouterr().err
    assert tree["cases"] == 1


def test_instances_of_panoptica(segkit_data, tmp_path):
    folder = segkit_data / "eval_pairs" / "panoptica_spine_seg" / "unmatched_instance"
    for name, role in (("pred", "predictions"), ("ref", "references")):
        (tmp_path / role).mkdir()
        (tmp_path / role / "spine.nii.gz").write_bytes((folder / f"{name}.nii.gz").read_bytes())
    values = [*range(2, 10), 26, 27, *range(102, 110), *range(202, 210)]
    words = [f"{role}={tmp_path / role}" for role in ("predictions", "references")]
    words += [f"output={tmp_path / 'out'}", f"labels={{spine: {values}}}", "metrics.compute=[lesions]"]
    assert main(["evaluate", *words, "metrics.lesions.instances=values", "metrics.lesions.threshold=0.5"]) == 0
    tree = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    found = {name: one["mean"] for name, one in tree["labels"]["spine"].items()}
    assert found["panoptic_quality"] == pytest.approx(0.7192522800512963)
    assert found["lesion_f1"] == pytest.approx(0.8636363636363636)
    assert found["lesion_dice"] == pytest.approx(0.900292616009954)
    assert found["lesion_false_positives"] == 3
