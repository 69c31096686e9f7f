import numpy as np
import pytest

from segkit.evaluation.pairs import match_folders
from segkit.foundation.errors import DataError

MASK = np.zeros((2, 2, 2), np.uint8)


def test_same_names_are_pairs_whatever_the_suffix(write_nifti, tmp_path):
    for name in ("p/b.nii", "p/a.nii.gz", "p/extra.nii", "r/a.nii", "r/b.nii.gz", "r/lost.nii"):
        write_nifti(name, MASK)
    (tmp_path / "p" / "plan.yaml").write_text("not a volume")
    found = match_folders(tmp_path / "p", tmp_path / "r")
    assert found.pairs == {
        "a": (tmp_path / "p" / "a.nii.gz", tmp_path / "r" / "a.nii"),
        "b": (tmp_path / "p" / "b.nii", tmp_path / "r" / "b.nii.gz"),
    }
    assert list(found.pairs) == ["a", "b"]
    assert found.missing == (tmp_path / "r" / "lost.nii",)
    assert found.failed == {}
    assert found.skipped == (tmp_path / "p" / "extra.nii",)


def test_a_name_that_stands_for_two_files_fails_that_case_only(write_nifti, tmp_path):
    for name in ("p/a.nii", "p/a.nii.gz", "p/b.nii", "r/a.nii", "r/b.nii"):
        write_nifti(name, MASK)
    found = match_folders(tmp_path / "p", tmp_path / "r")
    assert list(found.pairs) == ["b"]
    assert "a.nii" in found.failed["a"]
    assert "keep or rename one" in found.failed["a"]


def test_folders_without_a_common_name_say_so(write_nifti, tmp_path):
    write_nifti("p/pred_1.nii", MASK)
    write_nifti("r/case_1.nii", MASK)
    with pytest.raises(DataError, match=r"e\.g\. pred_1\.nii beside case_1\.nii\): they pair by file name"):
        match_folders(tmp_path / "p", tmp_path / "r")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no volume"):
        match_folders(tmp_path / "p", tmp_path / "empty")


def test_what_is_no_mask_is_left_out(write_nifti, tmp_path):
    for name in ("p/a.nii", "p/entropy/a.nii", "r/a.nii"):
        write_nifti(name, MASK)
    found = match_folders(tmp_path / "p", tmp_path / "r", leave_out={tmp_path / "p" / "entropy" / "a.nii"})
    assert found.pairs == {"a": (tmp_path / "p" / "a.nii", tmp_path / "r" / "a.nii")}
    assert found.failed == {}
