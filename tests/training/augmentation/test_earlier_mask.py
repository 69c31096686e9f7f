import numpy as np
import pytest
import torch
from scipy import ndimage

from segkit.foundation.counted import generator
from segkit.training.augmentation import Augmentation
from segkit.training.augmentation.earlier_mask import OPERATIONS, EarlierMaskErrors, Errors
from segkit.training.augmentation.transform import Shape

SHAPE = Shape(1, (12, 12, 12), (1.0, 1.0, 1.0))


def ball(radius, centre=(6, 6, 6), size=12):
    grid = np.stack(np.meshgrid(*[np.arange(size)] * 3, indexing="ij"))
    return ((grid - np.reshape(centre, (3, 1, 1, 1))) ** 2).sum(0) <= radius**2


def batch(*masks):
    image = torch.randn((1, *masks[0].shape))
    return torch.cat([image, torch.from_numpy(np.stack(masks).astype(np.float32))])[None]


@pytest.mark.parametrize("radius", [1, 2])
def test_shapes_change_as_scipy_says(radius):
    mask = ball(4) & ~ball(1)
    cross = ndimage.iterate_structure(ndimage.generate_binary_structure(3, 1), radius)
    assert np.array_equal(OPERATIONS["grow"](mask, radius), ndimage.binary_dilation(mask, cross))
    assert np.array_equal(OPERATIONS["shrink"](mask, radius), ndimage.binary_erosion(mask, cross, border_value=1))
    assert OPERATIONS["open"](mask, radius).sum() <= mask.sum() <= OPERATIONS["close"](mask, radius).sum()


def test_only_small_components_are_lost():
    small, large = ball(1, (2, 2, 2)), ball(4, (8, 8, 8), 16)[:12, :12, :12]
    errors = EarlierMaskErrors(1, largest=0.05)
    assert np.array_equal(errors.without_component(small | large, 0.99), large)
    assert np.array_equal(errors.without_component(large, 0.5), large)
    assert not errors.without_component(np.zeros((4, 4, 4), bool), 0.5).any()


def test_no_class_is_lost_as_a_whole():
    small = ball(1, (2, 2, 2))
    errors = EarlierMaskErrors(1)
    assert np.array_equal(errors.changed(small, ("shrink", 3), 0.5), small)
    assert errors.changed(small | ball(1, (9, 9, 9)), ("open", 3), 0.5).sum() == small.sum()


def test_images_stay_and_masks_change():
    images = batch(ball(3), ball(2))
    before = images.clone()
    drawn = Errors((("grow", 1), None), (None, None))
    changed, _ = EarlierMaskErrors(2).apply(images, torch.zeros((1, 12, 12, 12)), [drawn])
    assert torch.equal(changed[:, 0], before[:, 0])
    assert torch.equal(changed[:, 2], before[:, 2])
    assert changed[0, 1].sum() > before[0, 1].sum()


def test_draws_follow_their_probabilities_and_their_counter():
    never = EarlierMaskErrors(3, shapes=0, loses=0)
    always = EarlierMaskErrors(3, shapes=1, shaped=1, loses=1)
    assert never.draw(generator(0, 1), SHAPE) is None
    drawn = always.draw(generator(0, 1), SHAPE)
    assert all(drawn.operations)
    assert all(0 <= each < 1 for each in drawn.losing)
    assert drawn == always.draw(generator(0, 1), SHAPE)


def test_a_left_right_flip_swaps_the_classes_of_the_earlier_mask():
    images = batch(ball(2, (3, 6, 6)), ball(1, (9, 6, 6)))
    flips = Augmentation((), 1.0, (0,), 0, (0, 2, 1), (1.0, 1.0, 1.0), seed=1, previous=2)
    flipped, _ = flips(images, torch.zeros((1, 12, 12, 12), dtype=torch.uint8), [(0, 0)])
    expected = images.flip(2)[:, [0, 2, 1]]
    assert torch.equal(flipped, expected)
