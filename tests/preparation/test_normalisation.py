import numpy as np
import pytest

from segkit.config.channels import Channel
from segkit.config.plan import Normalisation
from segkit.foundation.errors import DataError, UsageError
from segkit.preparation.grids import respaced
from segkit.preparation.normalisation import SCHEMES, check_schemes, normalisation_of, normalise, scheme_for
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


def test_zscore_of_nonzero_voxels_by_hand():
    array = np.array([[[0, 2, 4, 4, 4, 0, 5, 5, 7, 9]]], np.int16)  # mean 5 and std 2 without the zeros
    values = normalise(array, Normalisation("zscore_nonzero"))
    assert values.ravel().tolist() == [0, -1.5, -0.5, -0.5, -0.5, 0, 0, 0, 1, 2]


def test_percentiles_by_hand():
    values = normalise(np.arange(1001, dtype=np.int16).reshape(1, 7, 143), Normalisation("percentile")).ravel()
    assert values[[0, 5, 500, 995, 1000]].tolist() == pytest.approx([0, 0, 0.5, 1, 1])


def noise(seed=0):
    return np.random.default_rng(seed).gamma(2, 300, (20, 24, 18)).astype(np.float32)


def test_percentiles_as_monai():
    from monai.transforms import ScaleIntensityRangePercentiles

    theirs = ScaleIntensityRangePercentiles(0.5, 99.5, 0, 1, clip=True)(noise()[None])
    assert np.allclose(normalise(noise(), Normalisation("percentile")), np.asarray(theirs)[0], atol=1e-5)


@pytest.mark.parametrize("nonzero", [True, False])
def test_zscores_as_monai(nonzero):
    from monai.transforms import NormalizeIntensity

    array = noise()
    array[:8] = 0
    theirs = NormalizeIntensity(nonzero=nonzero)(array[None])
    ours = normalise(array, Normalisation("zscore_nonzero" if nonzero else "zscore"))
    assert np.allclose(ours, np.asarray(theirs)[0], atol=1e-5)


def test_an_image_of_zeros_stays_so():
    assert not normalise(np.zeros((3, 3, 3)), Normalisation("zscore_nonzero")).any()


def test_none_keeps_the_values_and_copies():
    array = np.array([[[3.5, -2.0]]], np.float32)
    values = normalise(array, Normalisation("none"))
    assert np.array_equal(values, array)
    assert not np.shares_memory(values, array)


@pytest.mark.parametrize("value", [0, 1e-3, 37, 1e6])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_constant_image_stays_finite(value, scheme):
    constant = np.full((4, 4, 4), value, np.float32)
    assert np.isfinite(normalise(constant, Normalisation(scheme, low=0, high=1, mean=0, std=0))).all()
    if scheme in ("zscore", "zscore_nonzero", "percentile"):
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
    chosen = normalisation_of("clip_zscore", 1, np.arange(1001)[None] - 500.0)
    assert (chosen.scheme, chosen.low, chosen.high, chosen.mean) == ("clip_zscore", -495, 495, 0)
    assert chosen.std == pytest.approx(np.sqrt((1001**2 - 1) / 12))  # of the uniform distribution


@pytest.mark.parametrize(
    ("family", "scheme"),
    [("ct", "clip_zscore"), ("mr", "zscore"), ("pet", "zscore"), ("rgb", "unit"), ("none", "none")],
)
def test_the_family_decides(family, scheme):
    assert scheme_for(Channel(family), kept=0.75, foreground=10)[0] == scheme


@pytest.mark.parametrize(
    ("family", "scheme"),
    [("ct", "clip_zscore"), ("mr", "zscore_nonzero"), ("pet", "zscore_nonzero"), ("rgb", "unit"), ("none", "none")],
)
def test_where_much_is_cropped_only_nonzero_voxels_count(family, scheme):
    chosen, why = scheme_for(Channel(family), kept=0.6, foreground=10)
    assert chosen == scheme
    assert ("40% of a scan" in why) == (scheme == "zscore_nonzero")


def test_ct_without_foreground_is_scaled_by_each_scan():
    assert scheme_for(Channel("ct"), kept=1.0, foreground=0)[0] == "zscore"
    with pytest.raises(DataError, match="no case has any"):
        normalisation_of("clip_zscore", 1, np.empty((1, 0)))


def test_the_channels_of_a_colour_share_their_scale():
    chosen = normalisation_of("clip_zscore", 3, np.array([[0.0, 10.0], [20.0, 30.0], [40.0, 50.0]]))
    assert (chosen.width, chosen.mean) == (3, 25)
    assert normalisation_of("unit", 3, np.empty((3, 0))) == Normalisation("unit", width=3)


def test_schemes_are_asked_for_by_channel():
    check_schemes({"T1": "percentile", "T2": "none"}, ["T1", "T2", "CT"])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"T11": "zscore"}, r"plan\.normalisation: T11 is no channel of the data set; did you mean T1\?"),
        ({"photo": "zscore"}, r"photo is no channel of the data set; channels: T1, CT"),
        ({"CT": "zscor"}, r"plan\.normalisation\.CT: zscor is not one of .*; did you mean zscore\?"),
    ],
)
def test_what_does_not_exist_is_named(wanted, message):
    with pytest.raises(UsageError, match=message):
        check_schemes(wanted, ["T1", "CT"])
