import nibabel as nib
import numpy as np
import pytest

from segkit.datasets import Case, side_by_side
from segkit.datasets.side_by_side import FEW_VOXELS, PROCESS, over_cases, voxels_in

CASES = [Case(name, {}) for name in "abc"]


def test_voxels_are_those_of_headers_and_of_each_channel(tmp_path):
    for name, shape in (("a", (4, 3, 2)), ("b", (5, 5, 5))):
        nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), tmp_path / f"{name}.nii")
    (tmp_path / "broken.nii").write_text("no volume")
    places = [tmp_path / f"{name}.nii" for name in ("a", "a", "b", "broken", "absent")]
    assert voxels_in(places) == 2 * 24 + 125
    assert voxels_in([]) == 0


@pytest.mark.parametrize(("voxels", "workers", "expected"), [(10, None, 1), (FEW_VOXELS, None, None), (10, 2, 2)])
def test_workers_start_where_that_pays_and_fit_into_memory(voxels, workers, expected, monkeypatch):
    asked = {}
    monkeypatch.setattr(side_by_side, "parallel_map", lambda *_, **options: asked.update(options) or iter(()))
    list(over_cases(len, CASES, [voxels, 1, 2], bytes_per_voxel=7, workers=workers, what="looking"))
    assert (asked["workers"], asked["bytes_each"]) == (expected, PROCESS + 7 * voxels)


def test_a_case_that_fails_is_an_outcome():
    def name_of(case):
        if case.name == "b":
            raise ValueError("no b")
        return case.name

    outcomes = list(over_cases(name_of, CASES, [1, 1, 1], bytes_per_voxel=1, workers=1, what="looking"))
    assert [(outcome.name, outcome.value) for outcome in outcomes] == [("a", "a"), ("b", None), ("c", "c")]
    assert "no b" in outcomes[1].error
