"""Intensity changes against MONAI or SciPy for the same parameters, and by hand."""

import numpy as np
import pytest
import torch
from monai.transforms import AdjustContrast
from scipy.ndimage import gaussian_filter

from segkit.foundation.errors import UsageError
from segkit.training.augmentation import Brightness, Contrast, Gamma, GaussianBlur, GaussianNoise, SpatialWarp
from segkit.training.augmentation.transform import Shape

SHAPE = Shape(2, (12, 10, 9), (1.0, 1.0, 1.0))
EVERY = [GaussianNoise, GaussianBlur, Brightness, Contrast, Gamma]


def image(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(SHAPE.size).astype(np.float32))


def changed(transform, parameter, values=None):
    channel = (image() if values is None else values).clone()
    transform.change(channel, parameter)
    return channel


@pytest.mark.parametrize("inverted", [False, True])
def test_gamma_is_monais_with_statistics_kept(inverted):
    ours = changed(Gamma(inverted=inverted), 1.4)
    theirs = AdjustContrast(gamma=1.4, invert_image=inverted, retain_stats=True)(image()[None])[0]
    np.testing.assert_allclose(ours, theirs, atol=2e-3)  # MONAI adds 1e-7 to other places
    np.testing.assert_allclose([ours.mean(), ours.std()], [image().mean(), image().std()], atol=1e-3)


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.5])
def test_blur_is_scipys(sigma):
    reach = max(1, round(3 * sigma))
    expected = gaussian_filter(image().numpy(), sigma, mode="nearest", radius=reach)
    np.testing.assert_allclose(changed(GaussianBlur(), (sigma, 3)), expected, atol=1e-5)


def test_brightness_and_contrast_by_hand():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert changed(Brightness(), 1.5, values).tolist() == [1.5, 3.0, 9.0]
    assert changed(Contrast(), 0.5, values).tolist() == [2.0, 2.5, 4.5]  # about the mean of 3
    assert changed(Contrast(), 2.0, values).tolist() == [1.0, 1.0, 6.0]  # -1, 1 and 9, within 1 to 6


def test_noise_has_its_deviation_and_depends_on_its_seed_alone():
    before = torch.get_rng_state()
    first, again, other = (changed(GaussianNoise(), (0.3, seed), torch.zeros(40, 40, 40)) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert float(first.std()) == pytest.approx(0.3, rel=0.02)
    assert abs(float(first.mean())) < 0.01


@pytest.mark.parametrize("kind", EVERY)
def test_it_fires_as_often_as_it_says_and_leaves_references_alone(kind):
    transform = kind(probability=0.3, channel=0.5)
    draws = [transform.draw(np.random.default_rng(seed), SHAPE) for seed in range(2000)]
    fired = [draw for draw in draws if draw is not None]
    assert len(fired) / len(draws) == pytest.approx(0.3 * 0.75, abs=0.04)  # at least one of two channels
    assert np.mean([each is not None for draw in fired for each in draw]) == pytest.approx(2 / 3, abs=0.05)
    images, references = torch.stack([image(), image(1)])[None], torch.ones((1, *SHAPE.size), dtype=torch.uint8)
    before = images.clone()
    after, kept = transform.apply(images, references, [None])
    assert torch.equal(after, before)
    first = next(draw for draw in fired if draw[0] is None)
    after, kept = transform.apply(images, references, [first])
    assert torch.equal(after[0, 0], before[0, 0])
    assert not torch.equal(after[0, 1], before[0, 1])
    assert kept is references


@pytest.mark.parametrize("kind", EVERY)
def test_a_constant_image_stays_finite(kind):
    transform = kind(probability=1.0, channel=1.0)
    images = torch.full((1, 2, *SHAPE.size), 3.0)
    draw = transform.draw(np.random.default_rng(0), SHAPE)
    assert transform.apply(images, torch.zeros((1, *SHAPE.size)), [draw])[0].isfinite().all()


def test_contrast_draws_either_half_as_often():
    factors = [Contrast(1.0, factors=[0.5, 3.0]).draw(np.random.default_rng(s), SHAPE)[0] for s in range(1000)]
    assert np.mean(np.array(factors) < 1) == pytest.approx(0.5, abs=0.05)
    assert min(factors) >= 0.5
    assert max(factors) <= 3.0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GaussianNoise(variance=[-0.1, 0.1]), r"variance: \[-0\.1, 0\.1\] is no range.*both at least 0$"),
        (lambda: Gamma(exponents=[0, 2]), r"exponents: \[0, 2\] is no range"),
        (lambda: Brightness(factors=[2, 1]), r"factors: \[2, 1\] is no range: write \[lowest, highest\]$"),
        (lambda: SpatialWarp(factors=[0, 1]), r"factors: \[0, 1\] is no range"),
    ],
)
def test_ranges_that_would_fail_in_a_training_are_refused_by_name(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_a_blur_of_no_deviation_changes_nothing():
    assert torch.equal(changed(GaussianBlur(sigma=[0, 0]), (0.0, 3)), image())
