import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest

from segkit.evaluation.evaluate import evaluate_pairs, evaluation_table, write_evaluation
from segkit.evaluation.nnunet_summary import write_nnunet_summary
from segkit.evaluation.pairs import match_folders
from segkit.evaluation.tables import summary_tree
from segkit.foundation.errors import DataError, UsageError

LABELS = {"background": 0, "one": 1, "two": 2}


def test_equals_monai_over_a_cohort(cohort):
    metrics = pytest.importorskip("monai.metrics")
    import torch

    found = evaluate_pairs(cohort, LABELS, bootstrap=200)
    dice = metrics.DiceMetric(include_background=False, reduction="mean_batch", ignore_empty=True, get_not_nans=True)
    for case in sorted(cohort):
        arrays = [np.asarray(nibabel.load(path).dataobj) for path in cohort[case]]
        dice(*[torch.tensor(np.stack([array == value for value in range(3)])[None] * 1.0) for array in arrays])
    means, counts = dice.aggregate()
    for index, label in enumerate(("one", "two")):
        assert found.labels[label]["dice"].mean == pytest.approx(float(means[index]), rel=1e-6)
        assert found.labels[label]["dice"].n == int(counts[index])
    assert found.labels["two"]["dice"].left_out == 1
    assert list(found.scores) == sorted(cohort)


def test_workers_and_order_change_nothing(cohort):
    one = evaluate_pairs(cohort, LABELS, workers=1, bootstrap=200)
    two = evaluate_pairs(dict(reversed(cohort.items())), LABELS, workers=2, bootstrap=200)
    assert two.labels == one.labels
    assert two.mean == one.mean
    assert evaluate_pairs(cohort, LABELS, bootstrap=200, seed=1).mean["dice"].ci95 != one.mean["dice"].ci95


def test_without_labels_the_values_of_the_references_name_themselves(cohort):
    found = evaluate_pairs(cohort, bootstrap=200)
    assert list(found.labels) == ["1", "2"]
    assert found.labels["2"] == evaluate_pairs(cohort, LABELS, bootstrap=200).labels["two"]


def test_bad_cases_are_named_and_the_others_finished(cohort, write_nifti, tmp_path):
    write_nifti("predictions/a.nii.gz", np.zeros((6, 5, 3), np.uint8))
    write_nifti("predictions/c.nii.gz", np.full((6, 5, 4), 9, np.uint8))
    (tmp_path / "predictions" / "d.nii.gz").write_bytes(b"torn")
    (tmp_path / "references" / "e.nii.gz").write_bytes(b"")
    found = evaluate_pairs(cohort, LABELS, bootstrap=200, failed={"g": "no prediction"})
    assert list(found.scores) == ["b", "f"]
    assert list(found.failed) == ["a", "c", "d", "e", "g"]
    assert "different shapes" in found.failed["a"]
    assert "holds 9" in found.failed["c"]
    assert "d.nii.gz" in found.failed["d"]
    assert not any("\n" in error for error in found.failed.values())


def test_mistakes_in_the_call_are_found_first(cohort):
    with pytest.raises(DataError, match="nothing to evaluate"):
        evaluate_pairs({}, LABELS)
    with pytest.raises(UsageError, match="both have the value 1"):
        evaluate_pairs(cohort, {"one": 1, "uno": 1})


def test_references_without_a_label_say_so(write_nifti):
    empty = write_nifti("empty.nii", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(DataError, match="no label to score"):
        evaluate_pairs({"x": (empty, empty)})
    empty.write_bytes(b"torn")
    with pytest.raises(DataError, match=r"x: .*empty\.nii"):
        evaluate_pairs({"x": (empty, empty)})


def test_two_folders_end_in_files_and_a_table(cohort, tmp_path):
    matched = match_folders(tmp_path / "predictions", tmp_path / "references")
    found = evaluate_pairs(matched.pairs, LABELS, failed=matched.failed)
    written = write_evaluation(found, tmp_path / "out")
    assert [path.name for path in written] == ["cases.csv", "summary.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cases.csv", "summary.json"]
    assert json.loads(written[1].read_text())["cases"] == 6
    assert evaluation_table(found)[0][:2] == ["label", "dice"]


def test_torch_is_never_imported(cohort, tmp_path):
    program = f"""
import sys
import segkit.evaluation
assert "numpy" not in sys.modules
from pathlib import Path
from segkit.evaluation.evaluate import evaluate_pairs, write_evaluation
from segkit.evaluation.pairs import match_folders
folder = Path({str(tmp_path)!r})
matched = match_folders(folder / "predictions", folder / "references")
write_evaluation(evaluate_pairs(matched.pairs, workers=1), folder / "out")
print(sorted(name for name in ("torch", "monai", "pytorch_lightning") if name in sys.modules))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"


def test_real_references_against_themselves(segkit_data):
    folder = segkit_data / "hippocampus" / "labels"
    paths = sorted(path for path in folder.iterdir() if path.name.endswith(".nii.gz"))[:5]
    found = evaluate_pairs({path.name: (path, path) for path in paths}, {"anterior": 1, "posterior": 2})
    assert found.mean["dice"].mean == 1
    assert found.labels["anterior"]["volume_difference"].ci95 == (0, 0)


def test_labels_that_nobody_drew_count_nowhere(cohort, tmp_path):
    found = evaluate_pairs(cohort, LABELS, bootstrap=200, unlabelled={"a": {"two"}})
    assert np.isnan(found.scores["a"]["two"]["dice"])
    assert summary_tree(found)["empty"]["two"] == {"both": 1, "mask": 0, "reference": 0}
    assert list(found.counts["a"]) == ["one"]
    written = json.loads(write_nnunet_summary(found, LABELS, cohort, tmp_path / "summary.json").read_text())
    assert [sorted(case["metrics"]) for case in written["metric_per_case"]] == [["1"], *[["1", "2"]] * 5]
    scored = [found.scores[case]["two"]["dice"] for case in "cdef"]
    assert written["mean"]["2"]["Dice"] == pytest.approx(np.mean(scored))


def test_a_cohort_without_any_probabilities_is_told_case_by_case(cohort):
    found = evaluate_pairs(cohort, LABELS, probabilities={}, bootstrap=200)
    assert set(found.failed.values()) == {"there is no file of its probabilities"}
    assert list(found.failed) == sorted(cohort)
