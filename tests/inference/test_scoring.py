from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.transforms import Resize
from streams import Stored, random_logits, stream_of, work_for

from segkit.config.labels import labels_from
from segkit.foundation.errors import DataError
from segkit.inference.planes import places_of
from segkit.inference.restoring import labels_on_scan
from segkit.inference.scoring import HALF, as_probabilities, scores_on_scan
from segkit.preparation.grids import cropped, reoriented, respaced
from segkit.volumes.grid import Grid, affine_from

SCAN = Grid((20, 24, 10), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))
LABELS = labels_from({"background": 0, "a": 1, "b": 2})
REGIONS = labels_from({"background": 0, "whole": [1, 2, 4], "core": [2, 4], "edge": 4}, [1, 2, 4])
ONE, OTHER = respaced(SCAN, (1.3, 1.3, 2.0)), respaced(SCAN, (0.6, 1.0, 4.0))


def stored(grid, seed=0):
    logits = random_logits(grid.shape, seed=seed)
    return stream_of(Stored(), logits, grid=grid, classes=3), logits


def probabilities(streams, labels=LABELS, axis=2, pieces=2):
    """Return the mean probabilities of the whole scan, shape (K, X, Y, Z), NaN where none were yielded."""
    whole = np.full((labels.outputs, *SCAN.shape), np.nan, np.float32)
    work = replace(work_for(streams[0], SCAN), axis=axis, pieces=pieces)
    for scores in scores_on_scan(streams, SCAN, labels, work):
        for output, array in enumerate(whole):
            scores.within(array)[...] = scores.mean[..., output]
    return whole


def resampled(logits):
    return torch.as_tensor(Resize(SCAN.shape, mode="trilinear", align_corners=False)(logits))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("pieces", [1, 3])
def test_plans_are_averaged_where_their_grids_meet(axis, pieces):
    (first, logits), (second, others) = stored(ONE), stored(OTHER, seed=1)
    second = replace(second, networks=[Stored(), Stored()], flips=[(), ()])  # its plan counts twice
    expected = (resampled(logits).softmax(0) + 2 * resampled(others).softmax(0)) / 3
    assert np.allclose(probabilities([first, second], axis=axis, pieces=pieces), expected, atol=1e-4)


def test_one_plan_has_the_labels_of_its_largest_probability():
    stream, _ = stored(ONE)
    labels = labels_on_scan(stream, SCAN, LABELS, work_for(stream, SCAN))
    by_score = places_of(np.moveaxis(probabilities([stream]), 0, -1), is_regions=False)
    assert (labels == by_score).mean() > 0.999


def test_regions_have_a_probability_each():
    stream, logits = stored(ONE)
    whole = probabilities([stream], REGIONS)
    assert np.allclose(whole, resampled(logits).sigmoid(), atol=1e-4)
    labels = labels_on_scan(stream, SCAN, REGIONS, work_for(stream, SCAN))
    assert (labels == places_of(np.moveaxis(whole, 0, -1), is_regions=True, above=HALF)).mean() > 0.999


def test_beyond_the_prepared_grid_background_is_certain():
    box = (slice(4, 16), slice(5, 24), slice(2, 9))
    inside = np.zeros(SCAN.shape, bool)
    inside[box] = True
    stream, _ = stored(cropped(SCAN, box))
    assert np.isfinite(probabilities([stream])).all()
    assert (probabilities([stream])[0][~inside] == 1).all()
    assert (probabilities([stream], REGIONS)[:, ~inside] < 1e-30).all()


def test_plans_that_run_the_other_way_make_no_ensemble():
    streams = [stored(ONE)[0], stored(reoriented(OTHER, "LPI"))[0]]
    with pytest.raises(DataError, match=r"plan\.orientation"):
        probabilities(streams)


def test_by_hand():
    logits = np.log(np.array([[1.0, 1, 2], [6, 1, 1]], np.float32))
    assert np.allclose(as_probabilities(logits.copy(), is_regions=False), [[0.25, 0.25, 0.5], [0.75, 0.125, 0.125]])
    assert np.allclose(as_probabilities(logits.copy(), is_regions=True)[0], [0.5, 0.5, 2 / 3])
    extreme = np.array([[1e4, -1e4]], np.float32)
    assert as_probabilities(extreme.copy(), is_regions=False).tolist() == [[1, 0]]
    assert as_probabilities(extreme.copy(), is_regions=True).tolist() == [[1, pytest.approx(0, abs=1e-30)]]
    assert places_of(np.array([[0.2, 0.5, 0.3]], np.float32), is_regions=False).tolist() == [1]
    assert places_of(
        np.array([[0.6, 0.5, 0.9], [0.1, 0.7, 0.2]], np.float32), is_regions=True, above=HALF
    ).tolist() == [3, 2]
