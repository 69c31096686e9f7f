import math
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from segkit.evaluation import metrics as package
from segkit.evaluation.confusion import count_labels
from segkit.evaluation.metrics import LabelPair, Metric, chosen, metrics
from segkit.evaluation.settings import Settings
from segkit.foundation.errors import UsageError
from segkit.volumes.grid import Grid, affine_from

NAMES = ["dice", "iou", "precision", "sensitivity", "volume_difference"]
masks = hnp.arrays(bool, (3, 4, 2))


def scores(mask, reference, spacing=(1.0, 1.0, 1.0)):
    mask, reference = np.asarray(mask), np.asarray(reference)
    grid = Grid(mask.shape, affine_from(spacing))
    pair = LabelPair(count_labels(mask, reference, [[1]], also=[0])[0], mask, reference, (1,), grid)
    return {metric.name: metric.score(pair) for metric in chosen(Settings(compute=("overlap", "others")))}


@pytest.fixture
def fresh_metrics():
    metrics.cache_clear()
    yield
    metrics.cache_clear()


def test_a_pair_scored_by_hand():
    # |M| = 3, |R| = 4, |M ∩ R| = 2, |M ∪ R| = 5; voxels of 2 x 5 x 10 mm = 0.1 ml
    mask = np.array([1, 1, 1, 0, 0, 0]).reshape(1, 2, 3)
    reference = np.array([0, 1, 1, 1, 1, 0]).reshape(1, 2, 3)
    found = scores(mask, reference, spacing=(2.0, 5.0, 10.0))
    assert found == pytest.approx(
        {"dice": 4 / 7, "iou": 2 / 5, "precision": 2 / 3, "sensitivity": 2 / 4, "volume_difference": -0.1}
    )


def test_both_empty_is_left_out():
    found = scores(np.zeros((2, 2)), np.zeros((2, 2)))
    assert list(found) == NAMES
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("swap", [False, True])
def test_one_empty_is_the_worst_overlap_and_the_whole_volume(swap):
    pair = (np.ones((10, 10, 5)), np.zeros((10, 10, 5)))
    found = scores(*(reversed(pair) if swap else pair))
    assert found.pop("volume_difference") == pytest.approx(-0.5 if swap else 0.5)
    assert set(found.values()) == {0.0}


def test_the_rules_in_words():
    rules = {metric.name: metric.rule for metric in metrics()}
    assert rules["dice"] == "both empty: left out and counted; one empty: 0"
    assert rules["volume_difference"] == "both empty: left out and counted; one empty: computed"


def test_volume_honours_shear_and_two_dimensions():
    sheared = np.array([[2.0, 0, 0, 0], [0, 2, 1, 0], [0, 0, 3, 0], [0, 0, 0, 1]])
    ones = np.ones((2, 2, 2), int)
    pair = LabelPair(count_labels(ones, ones, [[1]])[0], ones, ones, (1,), Grid(ones.shape, sheared))
    assert pair.voxel_ml == pytest.approx(0.012)
    flat = scores(np.ones((10, 10)), np.eye(10), spacing=(2.0, 5.0))
    assert flat["volume_difference"] == pytest.approx(90 * 10 / 1000)


@given(masks, masks)
@settings(max_examples=80, deadline=None)
def test_laws(mask, reference):
    there, back = scores(mask, reference), scores(reference, mask)
    if not mask.any() and not reference.any():
        return
    assert there["dice"] == back["dice"]
    assert there["precision"] == back["sensitivity"]
    assert there["volume_difference"] == -back["volume_difference"]
    assert all(0 <= there[name] <= 1 for name in NAMES[:4])
    assert there["dice"] == pytest.approx(2 * there["iou"] / (1 + there["iou"]))
    assert scores(mask[::-1], reference[::-1]) == there
    if mask.any():
        assert [scores(mask, mask)[name] for name in NAMES] == [1, 1, 1, 1, 0]


def test_equals_monai():
    monai = pytest.importorskip("monai.metrics")
    import torch

    random = np.random.default_rng(1)
    reference = random.random((24, 20, 16)) < 0.3
    mask = reference ^ (random.random(reference.shape) < 0.1)
    tensors = [torch.tensor(array, dtype=torch.uint8)[None, None] for array in (mask, reference)]
    names = {"precision": "precision", "sensitivity": "sensitivity", "threat score": "iou", "f1 score": "dice"}
    ours = scores(mask, reference)
    theirs = monai.ConfusionMatrixMetric(metric_name=list(names))
    theirs(*tensors)
    for name, value in zip(names.values(), theirs.aggregate(), strict=True):
        assert ours[name] == pytest.approx(float(value), rel=1e-6)
    assert ours["dice"] == pytest.approx(float(monai.compute_dice(*tensors)), rel=1e-6)


def offered(monkeypatch, thing):
    entry = EntryPoint("theirs", "their_package:METRIC", "segkit.metrics")
    monkeypatch.setattr(EntryPoint, "load", lambda self: thing)
    monkeypatch.setattr(package, "entry_points", lambda group: [entry] if group == "segkit.metrics" else [])


def test_a_third_party_metric_sees_the_arrays(monkeypatch, fresh_metrics):
    def centre_distance(pair):
        centres = [np.argwhere(array == pair.values[0]).mean(axis=0) for array in (pair.mask, pair.reference)]
        return float(np.linalg.norm((centres[0] - centres[1]) * pair.grid.spacing))

    offered(monkeypatch, Metric("centre_distance", "mm", "between centroids", False, centre_distance, None))
    reference = np.zeros((8, 8, 8), int)
    reference[2:4, 2:4, 2:4] = 1
    found = scores(np.roll(reference, 2, axis=1), reference, spacing=(1.0, 1.5, 4.0))
    assert list(found) == [*NAMES, "centre_distance"]
    assert found["centre_distance"] == pytest.approx(3.0)


def test_a_third_party_object_of_another_kind_is_refused(monkeypatch, fresh_metrics):
    offered(monkeypatch, print)
    with pytest.raises(UsageError, match="their_package:METRIC"):
        metrics()


def test_a_third_party_metric_cannot_take_a_name(monkeypatch, fresh_metrics):
    offered(monkeypatch, next(metric for metric in metrics() if metric.name == "dice"))
    metrics.cache_clear()
    with pytest.raises(UsageError, match="metric dice already"):
        metrics()
