import nibabel as nib
import numpy as np

from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.datasets.presence import label_presence, strata_by_labels


def test_each_case_says_which_labels_it_has(tmp_path):
    labels = labels_from({"background": 0, "liver": 1, "tumour": [2, 3]})
    cases = [Case("none", {})]
    for name, values in {"liver": [0, 1], "both": [1, 3], "empty": [0, 0]}.items():
        nib.save(nib.Nifti1Image(np.array(values, np.uint8).reshape(2, 1, 1), np.eye(4)), tmp_path / f"{name}.nii")
        cases.append(Case(name, {}, tmp_path / f"{name}.nii"))
    (tmp_path / "broken.nii").write_text("no volume")
    cases.append(Case("broken", {}, tmp_path / "broken.nii"))
    assert label_presence(cases, labels, workers=1) == {
        "none": "", "liver": "liver", "both": "liver, tumour", "empty": "", "broken": "",
    }  # fmt: skip
    assert strata_by_labels(cases, labels, "labels", 1) == label_presence(cases, labels, workers=1)
    assert strata_by_labels(cases, labels, "site", 1) is strata_by_labels(cases, labels, None, 1) is None
