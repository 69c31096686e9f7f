import numpy as np
import pytest
from scipy import ndimage

from segkit.datasets.soundness import mirrored
from segkit.datasets.soundness.mirrored import best_mirroring, outline_fit


def test_a_fit_by_hand():
    image = np.array([[0, 0, 1, 1, 1, 1, 1, 1]], np.float32)
    classes = np.array([[0, 0, 1, 1, 1, 0, 0, 0]])
    fit = outline_fit(image, classes)
    # Two faces: the edge between 0 and 1, and one that nothing marks. All 7 neighbours are near, one of which changes.
    assert fit.faces == 2
    assert fit.strength == pytest.approx(0.5 / (1 / 7))
    assert fit.error == pytest.approx(0.5 / (1 / 7) / np.sqrt(2))
    # Inside both rims are 1, outside they are 0 and 1.
    assert fit.contrast == pytest.approx(0.5 / np.sqrt((0 + 0.25) / 2))


def test_what_nobody_looked_at_has_no_outline():
    classes = np.array([[0, 0, 1, 1, 1, -1, -1, -1]])
    assert outline_fit(np.zeros((1, 8), np.float32), classes).faces == 1


def blob(seed, shape=(24, 22, 20), contrast=60):
    draw = np.random.default_rng(seed)
    places = np.indices(shape) - np.reshape(draw.uniform(6, 8, len(shape)), (-1, *[1] * len(shape)))
    classes = ((places**2).sum(0) < 20).astype(np.int16)
    return classes * contrast + draw.normal(0, 8, shape), classes


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("contrast", [60, -60])
def test_the_axis_is_named_for_bright_and_dark_labels(axis, contrast):
    image, classes = blob(1, contrast=contrast)
    low, high = np.percentile(image, (1, 99))
    found = best_mirroring(image, np.flip(classes, axis), low, high)
    assert (found.axis, found.is_certain) == (axis, True)
    sound = best_mirroring(image, classes, low, high)
    assert not sound.is_certain
    assert sound.ratio < 1
    assert found.ratio == pytest.approx(1 / outline_ratio(image, classes, axis, low, high))


def outline_ratio(image, classes, axis, low, high):
    own = outline_fit(image, classes, low, high).strength
    return outline_fit(image, np.flip(classes, axis), low, high).strength / own


def test_pictures_and_single_slices_have_two_axes():
    image, classes = blob(2, (40, 36))
    flat = best_mirroring(image, np.flip(classes, 1), *np.percentile(image, (1, 99)))
    slice_3d = best_mirroring(image[..., None], np.flip(classes, 1)[..., None], *np.percentile(image, (1, 99)))
    assert flat is None or flat.axis == 1  # an outline this short may tell nothing
    assert slice_3d == flat


def test_large_boxes_are_looked_at_in_steps(monkeypatch):
    image, classes = blob(3, (48, 44, 40))
    classes = ndimage.binary_dilation(classes, iterations=8).astype(np.int16)
    image = image + classes * 100
    monkeypatch.setattr(mirrored, "MOST_VOXELS", 4000)
    found = best_mirroring(image, np.flip(classes, 0), *np.percentile(image, (1, 99)))
    assert found.axis == 0
    assert found.ratio > 1.5


def test_noise_and_symmetry_tell_nothing():
    for seed in range(60):
        draw = np.random.default_rng(seed)
        noise = ndimage.gaussian_filter(draw.normal(size=(30, 30, 24)), seed % 2)
        found = best_mirroring(noise, blob(seed, noise.shape)[1], *np.percentile(noise, (1, 99)))
        assert not found.is_certain
    image = np.zeros((20, 20, 20))
    image[5:15, 5:15, 5:15] = 1
    found = best_mirroring(image, image.astype(np.int16), 0.0, 1.0)
    assert found.ratio == pytest.approx(1)
    assert not found.is_certain


def test_nothing_to_see_is_none():
    assert best_mirroring(np.ones((9, 9)), np.eye(9, dtype=np.int16), 1.0, 1.0) is None
    assert best_mirroring(np.arange(81.0).reshape(9, 9), np.zeros((9, 9), np.int16), 0.0, 80.0) is None
    assert best_mirroring(np.arange(81.0).reshape(9, 9), np.eye(9, dtype=np.int16), 0.0, 80.0) is None  # few faces
