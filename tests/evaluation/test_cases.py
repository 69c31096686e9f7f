import math

import numpy as np
import pytest

from segkit.evaluation.cases import (
    evaluate_arrays,
    foreground_of,
    foreground_values,
    score_case,
    score_pair,
    without_labels,
)
from segkit.evaluation.confusion import Counts
from segkit.evaluation.metrics import chosen
from segkit.evaluation.settings import Settings
from segkit.foundation.errors import DataError, GeometryError, UsageError
from segkit.volumes.grid import Grid, affine_from

LABELS = {"background": 0, "liver": 1, "tumour": 2}
OVERLAP = Settings(compute=("overlap",))


def test_a_pair_on_disk_scored_by_hand(write_nifti):
    mask, reference = np.zeros((2, 4, 5, 3), np.uint8)
    mask[0, 0, :2], reference[0, 0, :3], reference[2, 2, 2] = 1, 1, 2
    paths = write_nifti("m.nii.gz", mask), write_nifti("r.nii", reference.astype(np.float32))
    found = score_pair(*paths, LABELS, OVERLAP).scores
    assert found["liver"] == pytest.approx(
        {"dice": 4 / 5, "iou": 2 / 3, "precision": 1, "sensitivity": 2 / 3, "volume_difference": -0.01}
    )
    assert found["tumour"]["dice"] == 0
    assert found["tumour"]["volume_difference"] == pytest.approx(-0.01)
    assert list(found) == ["liver", "tumour"]


@pytest.mark.parametrize("dtype", [np.int16, np.float64])
def test_the_background_need_not_be_declared(dtype):
    mask = np.array([[0, 1], [1, 0]], dtype)
    grid = Grid(mask.shape, affine_from((1.0, 1.0)))
    assert evaluate_arrays(mask, mask, grid, {"cell": 1})["cell"]["dice"] == 1


def test_labels_may_have_any_whole_numbers():
    grid = Grid((2, 2), affine_from((1.0, 1.0)))
    mask = np.array([[-1, 10], [2035, 10]])
    found = evaluate_arrays(mask, mask.copy(), grid, {"background": 10, "low": -1, "high": 2035, "absent": 7})
    assert found["low"]["dice"] == found["high"]["dice"] == 1
    assert math.isnan(found["absent"]["dice"])
    assert "background" not in found


def test_labels_that_make_no_sense_are_refused():
    with pytest.raises(UsageError, match="liver and spleen both have the value 1"):
        foreground_of({"liver": 1, "spleen": 1})
    with pytest.raises(UsageError, match="nothing to score"):
        foreground_of({"background": 0})
    assert foreground_of({"air": 0, "liver": 3}) == {"liver": (3,)}
    assert foreground_of({"background": 0, "ignore": 9, "whole": [1, 2]}) == {"whole": (1, 2)}


def test_regions_and_ignored_voxels_by_hand():
    grid = Grid((2, 3), affine_from((1.0, 1.0)))
    mask, reference = np.array([[0, 1, 2], [2, 2, 1]]), np.array([[0, 1, 1], [2, 9, 0]])
    labels = {"background": 0, "whole": [1, 2], "core": 2, "ignore": 9}
    found = evaluate_arrays(mask, reference, grid, labels)
    assert found["whole"]["dice"] == pytest.approx(2 * 3 / (4 + 3))
    assert found["core"]["dice"] == pytest.approx(2 * 1 / (2 + 1))
    assert mask[1, 1] == 2


def test_ignored_voxels_count_in_no_figure():
    settings, grid = Settings(compute=("kappa",)), Grid((1, 4), affine_from((1.0, 1.0)))
    mask, reference, labels = np.array([[1, 1, 0, 0]]), np.array([[1, 0, 0, 1]]), {"background": 0, "one": 1}
    plain = score_case((mask, reference), grid, labels, settings, chosen(settings))
    wide = [np.pad(array, ((0, 5), (0, 0)), constant_values=value) for array, value in ((mask, 1), (reference, 9))]
    grid = Grid((6, 4), affine_from((1.0, 1.0)))
    padded = score_case((wide[0], wide[1]), grid, {**labels, "ignore": 9}, settings, chosen(settings))
    assert padded.counts == plain.counts == {"one": Counts(1, 1, 1, 1)}
    assert padded.scores == plain.scores == {"one": {"kappa": 0.0}}


def test_a_label_that_holds_the_backgrounds_value_has_no_ignored_voxels():
    grid, settings = Grid((1, 3), affine_from((1.0, 1.0))), Settings(compute=("dice",))
    labels = {"background": 0, "all": [0, 1], "ignore": 9}
    found = score_case((np.array([[0, 1, 1]]), np.array([[0, 1, 9]])), grid, labels, settings, chosen(settings))
    assert found.counts == {"all": Counts(2, 0, 0, 0)}


def test_arrays_of_other_shapes_are_refused_with_ignored_voxels_too():
    grid = Grid((2, 2), affine_from((1.0, 1.0)))
    with pytest.raises(DataError, match=r"the mask has \(2, 2\) voxels, the reference \(2, 3\)"):
        evaluate_arrays(np.zeros((2, 2)), np.zeros((2, 3)), grid, {**LABELS, "ignore": 9})


def test_labels_that_nobody_drew_are_left_out():
    scores = {"liver": {"dice": 0.9, "iou": 0.8}, "spleen": {"dice": 0.0, "iou": 0.0}}
    left = without_labels(scores, {"spleen"})
    assert left["liver"] == scores["liver"]
    assert np.isnan(list(left["spleen"].values())).all()
    assert without_labels(scores, ()) == scores


def test_colours_are_labels(tmp_path):
    from PIL import Image

    picture = np.zeros((4, 5, 3), np.uint8)
    picture[1:3, 1:4] = (255, 128, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    picture[1] = 0
    Image.fromarray(picture).save(tmp_path / "b.png")
    labels = {"background": "#000000", "cell": "#FF8000"}
    found = score_pair(tmp_path / "a.png", tmp_path / "b.png", labels).scores
    assert found["cell"]["dice"] == pytest.approx(2 * 3 / 9)


def test_undeclared_values_name_file_and_values(write_nifti):
    mask = np.zeros((3, 3, 3), np.uint8)
    reference = mask.copy()
    mask[0, 0, :2] = (7, 9)
    paths = write_nifti("p/case_4.nii.gz", mask), write_nifti("r/case_4.nii.gz", reference)
    with pytest.raises(DataError, match=r"^p/case_4\.nii\.gz holds 7, 9, but labels declare only 0, 1, 2"):
        score_pair(*paths, LABELS)


def test_masks_of_fractions_are_refused(write_nifti):
    mask = np.full((3, 3, 3), 0.25, np.float32)
    with pytest.raises(DataError, match=r"soft\.nii is not a mask: it holds 0\.25"):
        score_pair(write_nifti("soft.nii", mask), write_nifti("r.nii", np.zeros((3, 3, 3))), LABELS)
    with pytest.raises(DataError, match=r"soft\.nii is not a mask"):
        foreground_values(write_nifti("soft.nii", mask))


def test_grids_that_differ_are_an_error(write_nifti):
    mask = np.zeros((4, 4, 4), np.uint8)
    reference = write_nifti("r.nii", mask)
    with pytest.raises(GeometryError, match=r"m\.nii and r\.nii have different shapes"):
        score_pair(write_nifti("m.nii", mask[:3]), reference, LABELS)
    moved = write_nifti("n.nii", mask, affine_from((1.0, 2.0, 5.0), (-3.0, 4.5, 10.0)))
    with pytest.raises(GeometryError, match=r"0\.5 mm apart"):
        score_pair(moved, reference, LABELS)
    assert score_pair(moved, reference, LABELS, tolerance=0.6).scores


def test_several_channels_are_no_mask(write_nifti):
    two = write_nifti("two.nii", np.zeros((3, 3, 3, 2), np.uint8))
    one = write_nifti("one.nii", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(DataError, match=r"two\.nii has 2 channels"):
        score_pair(two, one, LABELS)


def test_the_values_of_a_file(write_nifti):
    array = np.zeros((3, 3, 3), np.int32)
    array[0, 0] = (4, 0, 700)
    assert foreground_values(write_nifti("a.nii", array)) == [4, 700]


def test_an_image_has_too_many_values_for_a_mask(write_nifti):
    with pytest.raises(DataError, match="is it a mask"):
        foreground_values(write_nifti("ct.nii", np.arange(3000, dtype=np.int16).reshape(10, 10, 30)))
