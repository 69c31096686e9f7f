import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError
from segkit.preparation.normalisation import normalisation_of, normalise
from segkit.preparation.standard_scale import PERCENTS, onto_standard_scale, percentiles_of, standard_landmarks


def image(seed=0, scale=1.0, shift=0.0):
    draw = np.random.default_rng(seed)
    anatomy = np.concatenate([np.zeros(2000), draw.normal(80, 12, 1500), draw.normal(150, 10, 596)])
    return (np.maximum(anatomy, 0).reshape(16, 16, 16) * scale + shift).astype(np.float32)


def test_percentiles_are_those_of_the_voxels_above_the_mean():
    values = np.arange(101, dtype=np.float32).reshape(101, 1, 1)
    assert percentiles_of(values)[[0, 5, 10]] == pytest.approx([51.49, 75.5, 99.51])


def test_landmarks_by_hand():
    percentiles = np.array(
        [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], [100, 102, 104, 106, 108, 130, 140, 150, 160, 190, 200]]
    )
    landmarks = standard_landmarks(percentiles)
    assert landmarks[0] == 0
    assert landmarks[-1] == 100
    assert landmarks[1] == pytest.approx((10 + 2) / 2)
    assert landmarks[5] == pytest.approx((50 + 30) / 2)


@given(st.floats(0.1, 1000), st.floats(-500, 500))
def test_scale_and_shift_of_a_scanner_are_taken_out(scale, shift):
    landmarks = standard_landmarks(np.stack([percentiles_of(image(seed)) for seed in range(3)]))
    one = onto_standard_scale(image(), landmarks)
    other = onto_standard_scale(image(scale=scale, shift=shift), landmarks)
    np.testing.assert_allclose(one, other, atol=0.2)


def test_landmarks_of_an_image_land_on_those_of_the_scale():
    landmarks = standard_landmarks(np.stack([percentiles_of(image(seed)) for seed in range(3)]))
    moved = onto_standard_scale(image(7, 3.0, 20.0), landmarks)
    inside = moved[image(7) > image(7).mean()]
    np.testing.assert_allclose(np.percentile(inside, PERCENTS), landmarks, atol=0.5)
    order = np.argsort(image(7).reshape(-1), kind="stable")
    assert (np.diff(moved.reshape(-1)[order]) >= -1e-4).all()


def test_flat_images():
    assert (onto_standard_scale(np.full((2, 2, 2), 7, np.float32), (0.0,) * 10 + (100.0,)) == 50).all()
    with pytest.raises(DataError, match="more than one intensity"):
        standard_landmarks(np.ones((3, len(PERCENTS))))


def test_the_scheme_ends_near_zero():
    percentiles = np.stack([percentiles_of(image(seed)) for seed in range(3)])
    how = normalisation_of("nyul", 1, np.zeros((1, 0)), percentiles)
    assert isinstance(how, Normalisation)
    values = normalise(image(5, 40.0), how)
    assert abs(values[image(5) > image(5).mean()].mean()) < 0.5
