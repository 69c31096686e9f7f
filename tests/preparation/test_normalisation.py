import numpy as np
import pytest

from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError
from segkit.preparation.grids import respaced
from segkit.preparation.normalisation import channels_of, normalisation_for, normalise
from segkit.preparation.resampling import image_onto
from segkit.volumes.grid import Grid, affine_from


def test_zscore_by_hand():
    values = normalise(np.array([[[2, 4, 4, 4, 5, 5, 7, 9]]], np.int16), Normalisation("zscore"))  # mean 5, std 2
    assert values.ravel().tolist() == [-1.5, -0.5, -0.5, -0.5, 0, 0, 1, 2]
    assert values.dtype == np.float32


def test_clipping_by_hand():
    hu = np.array([[[-1000, 0, 100, 3000]]], np.int16)
    values = normalise(hu, Normalisation("clip_zscore", low=-100, high=200, mean=50, std=50))
    assert values.ravel().tolist() == [-3, -1, 1, 3]
    assert hu.ravel().tolist() == [-1000, 0, 100, 3000]


def test_colours_by_hand():
    assert normalise(np.array([[[0, 51, 255]]], np.uint8), Normalisation("unit")).ravel().tolist() == pytest.approx(
        [0, 0.2, 1]
    )


def test_none_keeps_the_values_and_copies():
    array = np.array([[[3.5, -2.0]]], np.float32)
    values = normalise(array, Normalisation("none"))
    assert np.array_equal(values, array)
    assert not np.shares_memory(values, array)


@pytest.mark.parametrize("value", [0, 1e-3, 37, 1e6])
@pytest.mark.parametrize("scheme", ["zscore", "clip_zscore", "unit", "none"])
def test_a_constant_image_stays_finite(value, scheme):
    constant = np.full((4, 4, 4), value, np.float32)
    assert np.isfinite(normalise(constant, Normalisation(scheme, low=0, high=1, mean=0, std=0))).all()
    if scheme == "zscore":
        assert not normalise(constant, Normalisation(scheme)).any()


def test_the_rounding_of_a_resampled_constant_image_is_not_blown_up():
    source = Grid((9, 9, 9), affine_from((1.3, 1.1, 3)))
    resampled = image_onto(np.full(source.shape, 1000), source, respaced(source, (1, 1, 1)))
    assert resampled.std() > 0
    assert np.abs(normalise(resampled, Normalisation("zscore"))).max() < 0.1


def test_large_offsets_keep_their_contrast():
    values = normalise(np.array([[[100_000, 100_100]]], np.int32), Normalisation("zscore"))
    assert values.ravel().tolist() == [-1, 1]


def test_a_scheme_that_does_not_exist_is_named():
    with pytest.raises(DataError, match="'minmax'"):
        normalise(np.zeros((1, 1, 1)), Normalisation("minmax"))


def test_ct_is_clipped_at_the_percentiles_of_the_foreground():
    foreground = np.arange(1001) - 500.0
    chosen = normalisation_for("ct", foreground)
    assert (chosen.scheme, chosen.low, chosen.high, chosen.mean) == ("clip_zscore", -495, 495, 0)
    assert chosen.std == pytest.approx(np.sqrt((1001**2 - 1) / 12))  # of the uniform distribution


@pytest.mark.parametrize(("family", "scheme"), [("mr", "zscore"), ("pet", "zscore"), ("rgb", "unit"), ("none", "none")])
def test_other_families_need_no_foreground(family, scheme):
    assert normalisation_for(family, [1.0, 2.0]) == Normalisation(scheme)


def test_ct_without_foreground_is_scaled_by_each_scan():
    assert normalisation_for("ct", []) == Normalisation("zscore")


def test_rgb_brings_three_channels():
    assert [channels_of(family) for family in ("ct", "mr", "rgb", "none")] == [1, 1, 3, 1]
