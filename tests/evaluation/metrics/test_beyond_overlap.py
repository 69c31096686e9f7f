"""Every other metric by hand, its rules for empty masks, and what may be asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis.extra import numpy as hnp

from segkit.evaluation.cases import evaluate_arrays, score_case
from segkit.evaluation.metrics import chosen, declared
from segkit.evaluation.settings import LesionSettings, Settings
from segkit.foundation.errors import DataError, UsageError
from segkit.volumes.grid import Grid, affine_from

LABELS = {"background": 0, "liver": 1}
EVERYTHING = Settings(compute=("all",), lesions=LesionSettings(sizes=(0.01, 0.1)))


def scores(mask, reference, spacing=(1.0, 1.0, 1.0), settings=EVERYTHING, affine=None):
    mask, reference = np.asarray(mask, np.uint8), np.asarray(reference, np.uint8)
    grid = Grid(mask.shape, affine_from(spacing[: mask.ndim]) if affine is None else affine)
    return evaluate_arrays(mask, reference, grid, LABELS, settings)["liver"]


def test_agreement_by_hand():
    # 12 voxels: 2 in both, 1 in the mask only, 2 in the reference only, 7 in neither
    mask = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).reshape(3, 4)
    reference = np.array([0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]).reshape(3, 4)
    found = scores(mask, reference)
    assert found["volumetric_similarity"] == pytest.approx(1 - 1 / 7)
    observed, expected = 9 / 12, (3 * 4 + 9 * 8) / 144
    assert found["kappa"] == pytest.approx((observed - expected) / (1 - expected))


def test_a_centreline_by_hand():
    tube = np.zeros((5, 40), bool)
    tube[1:4, 5:35] = True
    half = tube.copy()
    half[:, 20:] = False
    found = scores(half, tube)["cldice"]
    assert found == pytest.approx(2 * 0.5 / 1.5, abs=0.05)  # all of the half lies in the tube, half of the tube in it
    assert scores(tube, tube)["cldice"] == 1
    cube = np.zeros((4, 4, 4), bool)
    cube[1:3, 1:3, 1:3] = True
    assert scores(cube, cube)["cldice"] == 1  # of which thinning leaves nothing


def test_the_boundary_iou_by_hand():
    plate, larger = np.zeros((2, 12, 12), bool)
    plate[2:8, 2:8] = larger[2:9, 2:8] = True
    # Bands of one pixel: 20 and 22 of them; they share all sides but the last row of one.
    assert scores(larger, plate)["boundary_iou"] == pytest.approx(16 / 26)


def test_lesions_by_size_by_hand():
    reference, mask = np.zeros((2, 30, 30, 5), bool)
    reference[2:4, 2:4, 1] = True  # 4 mm3, missed
    reference[10:15, 10:15, 1:3] = mask[10:15, 10:15, 1:4] = True  # 50 and 75 mm3
    mask[25:27, 25, 1] = True
    found = scores(mask, reference)
    assert found["lesion_dice_below_0.01ml"] == 0
    assert found["lesion_dice_from_0.01_to_0.1ml"] == pytest.approx(100 / 125)
    assert math.isnan(found["lesion_dice_from_0.1ml"])
    assert found["lesion_false_positives"] == 1
    assert found["lesion_sensitivity"] == found["lesion_precision"] == 0.5
    assert found["panoptic_quality"] == pytest.approx(50 / 75 / 2)


def test_the_larger_direction_and_both_together_differ():
    random = np.random.default_rng(0)
    mask, reference = np.zeros((2, 30, 30), bool)
    mask[2:9, 2:9] = reference[2:28, 2:28] = True
    mask ^= random.random(mask.shape) < 0.02
    larger = scores(mask, reference, settings=replace(EVERYTHING, percentile=90))
    pooled = scores(mask, reference, settings=replace(EVERYTHING, percentile=90, direction="pooled"))
    assert larger["hd90"] > pooled["hd90"]
    assert larger["hd"] == pooled["hd"]
    assert "hd95" not in larger


def test_tolerances_may_be_a_labels_own():
    mask, reference = np.zeros((2, 20, 20), bool)
    mask[5:10, 5:10], reference[5:10, 7:12] = True, True
    assert scores(mask, reference)["nsd"] < 1
    assert scores(mask, reference, settings=replace(EVERYTHING, tolerances={"liver": 3.0}))["nsd"] == 1
    assert {metric.heading for metric in chosen(EVERYTHING)} >= {"nsd at 1 mm", "hd95 [mm]", "dice"}
    assert "nsd" in {metric.heading for metric in chosen(replace(EVERYTHING, tolerances={"liver": 3.0}))}


@pytest.mark.parametrize("swap", [False, True])
def test_a_missing_label_has_the_worst_value_which_is_finite(swap):
    pair = [np.zeros((6, 8, 4)), np.zeros((6, 8, 4))]
    pair[swap][2:4, 2:4, 1:3] = 1
    found = scores(*pair, spacing=(1.0, 1.0, 2.5))
    for metric in ("hd", "hd95", "assd", "masd"):
        assert found[metric] == pytest.approx(math.sqrt(6**2 + 8**2 + 10**2))
    for metric in ("nsd", "boundary_iou", "cldice", "kappa", "volumetric_similarity", "lesion_f1", "panoptic_quality"):
        assert found[metric] == 0
    assert found["lesion_false_positives"] == (0 if swap else 1)


def test_the_diagonal_of_a_sheared_grid():
    sheared = np.array([[1.0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    mask = np.zeros((2, 3, 4))
    mask[0, 0, 0] = 1
    assert scores(mask, 0 * mask, affine=sheared)["hd"] == pytest.approx(math.sqrt((2 + 8) ** 2 + 3**2 + 8**2))


def test_rules_may_be_chosen():
    nothing, something = np.zeros((5, 5)), np.eye(5)
    found = scores(nothing, nothing)
    assert found.pop("lesion_false_positives") == 0
    assert all(math.isnan(value) for value in found.values())
    best = replace(EVERYTHING, both_empty="best")
    assert {scores(nothing, nothing, settings=best)[name] for name in ("dice", "nsd", "kappa", "cldice")} == {1}
    assert {scores(nothing, nothing, settings=best)[name] for name in ("hd95", "assd", "volume_difference")} == {0}
    left_out = scores(something, nothing, settings=replace(EVERYTHING, one_empty="left_out"))
    assert math.isnan(left_out["dice"])
    assert math.isnan(left_out["hd95"])
    assert left_out["volume_difference"] == pytest.approx(0.005)
    rules = {metric.name: metric.rule for metric in chosen(EVERYTHING)}
    assert rules["hd95"] == "both empty: left out and counted; one empty: the grid's diagonal in mm"
    assert {metric.rule for metric in chosen(replace(best, compute=("dice",)))} == {"both empty: 1; one empty: 0"}


@given(hnp.arrays(bool, (4, 5, 3)), hnp.arrays(bool, (4, 5, 3)))
@hypothesis_settings(max_examples=30, deadline=None)
def test_arrays_in_either_order_of_memory_and_with_background_around_score_alike(mask, reference):
    def larger(array):
        return np.pad(array, ((3, 2), (0, 4), (1, 1))).astype(np.uint8)

    pair = larger(mask), larger(reference)
    ours = scores(*pair, spacing=(1.0, 2.0, 3.0))
    theirs = scores(*map(np.asfortranarray, pair), spacing=(1.0, 2.0, 3.0))
    other = scores(*(array.astype(np.int32) for array in pair), spacing=(1.0, 2.0, 3.0))
    assert theirs == pytest.approx(ours, nan_ok=True)
    assert other == pytest.approx(ours, nan_ok=True)


def test_metrics_and_groups_are_named():
    def names(*compute):
        return [metric.name for metric in chosen(Settings(compute=compute))]

    assert names("hd95", "overlap")[:2] == ["hd95", "dice"]
    assert names("dice", "overlap", "dice").count("dice") == 1
    assert names("surface") == ["boundary_iou", "nsd", "hd", "hd95", "assd", "masd"]
    assert {"ece", "brier"} & set(names("all")) == set()
    with pytest.raises(UsageError, match="no metric or group hd96; did you mean hd95"):
        names("hd96")
    with pytest.raises(UsageError, match="ece needs probabilities"):
        names("ece")
    with pytest.raises(UsageError, match=r"metrics\.compute is empty"):
        names()
    assert all(metric.definition and metric.group for metric in declared(Settings()).values())


def test_an_extra_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr("segkit.evaluation.metrics.find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"cldice needs skimage: pip install 'segkit\[centrelines\]'"):
        chosen(Settings(compute=("cldice",)))


def calibrated(probability, reference, labels=LABELS, bins=2):
    settings = Settings(compute=("calibration",), bins=bins)
    reference, grid = np.asarray(reference, np.uint8), Grid(np.shape(reference), affine_from((1.0, 1.0)))
    mask = np.zeros_like(reference)
    metrics = chosen(settings, with_probabilities=True)
    return score_case(
        (mask, reference), grid, labels, settings, metrics, probabilities={"liver": np.asarray(probability)}
    )


def test_calibration_by_hand():
    found = calibrated([[0.2, 0.4], [0.6, 1.0]], [[0, 1], [1, 1]])
    # Below 1/2: mean 0.3, frequency 1/2; above: mean 0.8, frequency 1.
    assert found.scores["liver"]["ece"] == pytest.approx((2 * 0.2 + 2 * 0.2) / 4)
    assert found.scores["liver"]["brier"] == pytest.approx((0.04 + 0.36 + 0.16 + 0) / 4)
    assert found.reliability["liver"].voxels.tolist() == [2, 2]
    ignoring = calibrated([[0.2, 0.4], [0.6, 1.0]], [[0, 9], [1, 9]], {**LABELS, "ignore": 9})
    assert ignoring.scores["liver"]["brier"] == pytest.approx((0.04 + 0.16) / 2)


def test_what_is_no_probability_is_refused():
    with pytest.raises(DataError, match="between 0 and 1"):
        calibrated([[0.2, 1.4]], [[0, 1]])
    with pytest.raises(DataError, match="between 0 and 1"):
        calibrated([[0.2, math.nan]], [[0, 1]])
