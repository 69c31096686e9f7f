import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import entropy as scipys

from segkit.inference.scoring import Scores, as_probabilities
from segkit.inference.uncertainty import ExpectedDice, disagreement, entropy

LOGITS = hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-20, 20, width=32))


def scores_of(*logits, is_regions=False, weights=None):
    stacked = np.stack(logits).astype(np.float32)
    alone = [[index] for index in range(len(logits))]
    rows = range(stacked.shape[1])
    return Scores(0, rows, (2, 1, 0), stacked, alone, weights or [1] * len(logits), is_regions)


@given(LOGITS)
def test_entropy_is_scipys_share_of_the_largest(logits):
    probabilities = as_probabilities(logits.copy(), is_regions=False)
    expected = scipys(probabilities.astype(np.float64), axis=-1) / np.log(5)
    assert np.allclose(entropy(probabilities, is_regions=False), expected, atol=1e-5)


def test_entropy_by_hand():
    certain, even = np.array([[[1.0, 0.0]]], np.float32), np.array([[[0.5, 0.5]]], np.float32)
    assert entropy(certain, is_regions=False) == 0
    assert entropy(even, is_regions=False) == pytest.approx(1)
    assert entropy(certain, is_regions=True) == 0  # each region is sure, one of yes and one of no
    assert entropy(np.array([[[0.5, 1.0]]], np.float32), is_regions=True) == pytest.approx(0.5)


@given(LOGITS, LOGITS)
def test_disagreement_is_part_of_the_entropy(one, other):
    scores = scores_of(one, other)
    found = disagreement(scores)
    assert (found >= 0).all()
    assert (found <= entropy(scores.mean, is_regions=False) + 1e-5).all()
    assert np.allclose(disagreement(scores_of(one, one)), 0, atol=1e-5)


def test_sure_and_opposite_networks_disagree_wholly():
    one = np.array([[[50.0, -50.0]]])
    assert disagreement(scores_of(one, -one)) == pytest.approx(1)
    assert disagreement(scores_of(one * 0, one * 0)) == pytest.approx(0, abs=1e-6)  # both know nothing


def expected_of(probabilities, places, *, is_regions=False):
    expected = ExpectedDice(["a", "b"], is_regions=is_regions)
    for row in range(len(places)):  # part by part, as planes come
        expected.add(probabilities[row : row + 1], places[row : row + 1])
    return expected.values()


def test_expected_dice_by_hand():
    probabilities = np.array([[[0.2, 0.8, 0.0], [0.4, 0.6, 0.0], [0.7, 0.3, 0.0]]], np.float32)
    found = expected_of(probabilities, np.array([[1, 1, 0]], np.uint8))
    assert found["a"] == pytest.approx(2 * 1.4 / (1.7 + 2), abs=1e-6)
    assert found["b"] is None


def test_of_certain_probabilities_it_is_the_dice():
    reference = np.random.default_rng(0).integers(0, 3, (6, 7)).astype(np.uint8)
    mask = np.random.default_rng(1).integers(0, 3, (6, 7)).astype(np.uint8)
    found = expected_of(np.eye(3, dtype=np.float32)[reference], mask)
    for label, name in ((1, "a"), (2, "b")):
        dice = 2 * ((mask == label) & (reference == label)).sum() / ((mask == label).sum() + (reference == label).sum())
        assert found[name] == pytest.approx(dice, abs=1e-6)


def test_regions_count_by_themselves():
    probabilities = np.array([[[0.9, 0.6], [0.8, 0.1]]], np.float32)
    found = expected_of(probabilities, np.array([[2, 1]], np.uint8), is_regions=True)
    assert found["a"] == pytest.approx(2 * 1.7 / (1.7 + 2), abs=1e-6)
    assert found["b"] == pytest.approx(2 * 0.6 / (0.7 + 1), abs=1e-6)
