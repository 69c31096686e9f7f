"""Whole exports, as a PACS writes them: one mask for each series."""

import numpy as np

import segkit as package
from segkit.volumes.dicom.instances import hashed
from tests.volumes.dicom.drawn import save, series, uid


def test_predict_gives_one_mask_a_series_on_its_own_grid_and_redoes_nothing(segkit, run, way):
    words = ("predict", f"run={run}", f"input={way}", "output=masks")
    first = segkit(*words, expect=1)  # the uneven one
    masks = segkit.folder / "masks"
    uneven = hashed(uid("P1", "uneven"))
    assert f"error: {uneven}: " in first.stderr
    assert f"1 of 7 scans failed: {uneven}" in first.stderr
    segkit("convert", f"input={way}", "output=scans", expect=1)
    found = {path.name for path in masks.glob("*.nii.gz")}
    assert found == {path.name for path in (segkit.folder / "scans").iterdir()}
    assert len(found) == 6
    for name in found:
        mask, scan = (package.read(segkit.folder / folder / name) for folder in ("masks", "scans"))
        assert mask.grid.shape == scan.grid.shape
        assert np.array_equal(mask.affine, scan.affine)
        assert set(np.unique(mask.array)) <= {0, 1, 2}
    before = {path.name: path.stat().st_mtime_ns for path in masks.glob("*.nii.gz")}
    again = segkit(*words, expect=1)
    assert "6 of 7 masks were there already" in again.stdout
    for name, changed_at in before.items():
        assert (masks / name).stat().st_mtime_ns == changed_at


def test_predict_takes_the_series_that_are_wanted(segkit, run, export):
    words = (f"run={run}", f"input={export}", "series.modality=MR", "series.min_slices=4", "output=masks")
    segkit("predict", *words)
    assert len(list((segkit.folder / "masks").glob("*.nii.gz"))) == 3
    none = segkit("predict", f"run={run}", f"input={export}", "series.modality=PT", "output=other", expect=1)
    assert "holds no series that fits the filter; it holds" in none.stderr
    assert not (segkit.folder / "other").exists()


def test_series_in_folders_of_their_own_give_masks_of_their_names(segkit, run):
    for name in ("case_A", "case_B"):
        save(segkit.folder / "scans" / name, series(name, patient=name))
    segkit("predict", f"run={run}", "input=scans", "output=masks")
    assert {path.name for path in (segkit.folder / "masks").glob("*.nii.gz")} == {"case_A.nii.gz", "case_B.nii.gz"}
