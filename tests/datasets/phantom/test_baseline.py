import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import dice as dissimilarity

from segkit.datasets.phantom import Cohort, threshold_baseline
from segkit.datasets.phantom.baseline import EDGES, Window, dice, fit_windows, largest, segment


def test_organs_need_more_than_a_threshold(cohort: Cohort):
    training, held_out = ([cohort.pair(case) for case in part] for part in (cohort.training, cohort.held_out))
    scores = threshold_baseline(training, held_out, cohort.labels)
    assert list(scores) == ["liver", "spleen", "kidney", "lesion"]
    assert all(len(values) == len(held_out) for values in scores.values())
    assert all(np.mean(scores[organ]) < 0.7 for organ in ("liver", "spleen", "kidney"))


def test_what_a_threshold_can_do_it_does():
    # A bright organ of two parts on a dark ground, and a speck of the same brightness: found but for the speck.
    hu = np.full((20, 8, 8), -100.0)
    reference = np.zeros(hu.shape, int)
    reference[2:7, 2:6, 2:6] = reference[12:17, 2:6, 2:6] = 1
    hu[reference == 1] = 80
    hu[19, 7, 7] = 80
    window = fit_windows([(hu, reference)], {"organ": 1})["organ"]
    assert window.low <= 80 < window.high
    assert (window.components, window.smoothing) == (2, 0.0)
    np.testing.assert_array_equal(segment(hu, window), reference == 1)


def test_a_hand_computed_case():
    hu = np.array([100, 100, 60, 0, 60, 130]).reshape(6, 1, 1)
    organ = np.array([True, True, False, False, False, False]).reshape(6, 1, 1)
    mask = segment(hu, Window(60, 130))  # voxels 0, 1, 2 and 4, of which 0 to 2 hang together
    assert mask.ravel().tolist() == [True, True, True, False, False, False]
    assert dice(mask, organ) == pytest.approx(2 * 2 / (3 + 2))
    assert segment(hu, Window(60, 130, components=2)).sum() == 4


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_window_is_the_best_of_all(seed: int):
    rng = np.random.default_rng(seed)
    reference = (rng.random((5, 4, 3)) < 0.4).astype(int)
    reference[0, 0, 0] = 1
    hu = np.where(reference == 1, rng.normal(90, 30, reference.shape), rng.normal(40, 40, reference.shape)).round()
    scores = {
        (low, high): dice((hu >= low) & (hu < high), reference == 1) for low in EDGES for high in EDGES if low < high
    }
    window = fit_windows([(hu, reference)], {"organ": 1})["organ"]
    if window.smoothing == 0:
        assert scores[window.low, window.high] == pytest.approx(max(scores.values()))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), components=st.integers(1, 3))
def test_components_are_those_of_simpleitk(seed: int, components: int):
    mask = np.random.default_rng(seed).random((6, 7, 8)) < 0.3
    pieces = SimpleITK.RelabelComponent(
        SimpleITK.ConnectedComponent(SimpleITK.GetImageFromArray(mask.astype(np.uint8)))
    )
    sizes = np.bincount(SimpleITK.GetArrayFromImage(pieces).ravel())[1:]
    kept = largest(mask, components)
    assert kept.sum() == sizes[:components].sum()  # which of equal pieces is kept is free
    assert not (kept & ~mask).any()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_dice_is_scipys(seed: int):
    first, second = np.random.default_rng(seed).random((2, 40)) < 0.5
    assert dice(first, second) == pytest.approx(1 - dissimilarity(first, second))


def test_dice_of_nothing_and_nothing_is_not_a_number():
    nothing = np.zeros(3, bool)
    assert np.isnan(dice(nothing, nothing))
    assert dice(nothing, ~nothing) == 0


def test_an_organ_that_no_training_case_shows_gets_the_whole_range():
    empty = np.zeros((3, 3, 3), int)
    assert fit_windows([(empty.astype(float), empty)], {"organ": 1})["organ"] == Window(-200, 400)
