import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from segkit.datasets import DicomTree
from segkit.datasets.phantom import LABELS, Cohort, make_cohort
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, UsageError
from segkit.volumes.reading import read


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def organs_of(cohort: Cohort, case: str) -> np.ndarray:
    return read(cohort.pair(case)[1]).array[0]


def test_a_seed_decides_every_byte_whatever_the_workers(tmp_path: Path):
    once = make_cohort(tmp_path / "once", cases=2, seed=3, held_out=1, workers=1)
    again = make_cohort(tmp_path / "again", cases=2, seed=3, held_out=1, workers=2)
    assert contents(once.folder) == contents(again.folder)
    assert (once.cases, once.held_out) == (again.cases, again.held_out)
    other = make_cohort(tmp_path / "other", cases=2, seed=4, held_out=1, workers=1)
    assert contents(other.images) != contents(once.images)
    larger = make_cohort(tmp_path / "larger", cases=3, seed=3, held_out=1, workers=1)
    assert contents(larger.images / "phantom_001") == contents(once.images / "phantom_001")


def test_the_layout_is_a_dicom_tree_with_a_held_out_list(cohort: Cohort):
    found = DicomTree(str(cohort.folder), labels=cohort.labels, name_by="folder").cases(["CT"])
    assert tuple(case.name for case in found) == cohort.cases
    for case in found:
        image, reference = cohort.pair(case.name)
        assert case.images["CT"].parent == image
        assert [file.path for file in case.reference.files] == [reference]
        np.testing.assert_array_equal(read(case.reference).array, read(reference).array)
    assert cohort.held_out_file.read_text().split() == list(cohort.held_out)
    assert len(cohort.held_out) == 2
    assert sorted(cohort.training + cohort.held_out) == list(cohort.cases)


def test_twins_are_the_held_out_images_as_nifti(cohort: Cohort):
    twins = sorted(cohort.twins.iterdir())
    assert [path.name for path in twins] == [f"{case}.nii.gz" for case in cohort.held_out]
    twin, series = read(twins[0]), read(cohort.pair(cohort.held_out[0])[0])
    np.testing.assert_array_equal(twin.array, series.array)
    twin.grid.check_same_as(series.grid, what="twin and series")


def test_every_label_is_in_every_case(cohort: Cohort):
    for case in cohort.cases:
        assert set(np.unique(organs_of(cohort, case)).tolist()) == set(LABELS.values())


def test_organs_lie_where_they_do_in_people(cohort: Cohort):
    for case in cohort.cases:
        reference = read(cohort.pair(case)[1])
        labels = reference.array[0]
        x, y = {}, {}
        for name, value in cohort.labels.items():
            indices = np.argwhere(labels == value).mean(axis=0)
            x[name], y[name], _ = (reference.affine @ [*indices, 1])[:3]  # RAS: right and front are positive
        assert x["liver"] > x["background"] > x["spleen"]
        assert y["kidney"] < y["liver"]
        kidneys = np.argwhere(labels == LABELS["kidney"]) @ reference.affine[:3, :3].T + reference.affine[:3, 3]
        assert (kidneys[:, 0] > x["background"]).mean() == pytest.approx(0.5, abs=0.2)


def test_lesions_lie_in_the_liver_and_are_darker(cohort: Cohort):
    for case in cohort.cases:
        labels, hu = organs_of(cohort, case), read(cohort.pair(case)[0]).array[0]
        lesion = labels == LABELS["lesion"]
        shell = binary_dilation(lesion) & ~lesion
        assert (labels[shell] == LABELS["liver"]).mean() > 0.8
        assert hu[lesion].mean() < hu[labels == LABELS["liver"]].mean() - 15


def test_organs_overlap_in_intensity(cohort: Cohort):
    means = {name: [] for name in ("liver", "spleen", "kidney")}
    for case in cohort.cases:
        labels, hu = organs_of(cohort, case), read(cohort.pair(case)[0]).array[0]
        for name, values in means.items():
            values.append(hu[labels == LABELS[name]].mean())
    lows, highs = [min(values) for values in means.values()], [max(values) for values in means.values()]
    assert max(lows) < min(highs)


def test_a_written_cohort_is_found_again_and_no_other_is_taken_for_it(cohort: Cohort):
    before = {path: path.stat().st_mtime_ns for path in cohort.folder.rglob("*")}
    settings = {"cases": 6, "held_out": 2, "workers": 1}
    assert make_cohort(cohort.folder, seed=11, **settings) == cohort
    assert {path: path.stat().st_mtime_ns for path in cohort.folder.rglob("*")} == before
    with pytest.raises(DataError, match="another synthetic cohort"):
        make_cohort(cohort.folder, seed=12, **settings)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SegkitError, match="not an empty folder"):
        make_cohort(tmp_path, cases=1, seed=1, held_out=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(("cases", "held_out"), [(0, 0), (2, 2), (3, -1)])
def test_a_cohort_keeps_a_case_to_train_on(tmp_path: Path, cases: int, held_out: int):
    with pytest.raises(UsageError, match="leave at least one"):
        make_cohort(tmp_path / "none", cases=cases, seed=1, held_out=held_out)


def test_a_case_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise DataError("no liver")

    monkeypatch.setattr("segkit.datasets.phantom.cohort.draw_anatomy", fail)
    with pytest.raises(CasesFailedError, match="phantom_001 could not be made: no liver"):
        make_cohort(tmp_path / "none", cases=2, seed=1, held_out=0, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_may_have_any_name(tmp_path: Path):
    made = make_cohort(tmp_path / "DOE^JOHN (1) ü=~&", cases=1, seed=2, held_out=0, workers=1)
    assert read(made.pair("phantom_001")[1]).grid.shape == read(made.pair("phantom_001")[0]).grid.shape


def test_the_phantom_needs_no_torch():
    code = "import sys, segkit.datasets.phantom; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
