"""The warp against SciPy, MONAI and a case by hand; the compiled loops against PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.networks.layers import AffineTransform
from scipy.ndimage import affine_transform, convolve1d

from segkit.foundation.errors import UsageError
from segkit.training.augmentation.spatial import SpatialWarp, Warp
from segkit.training.augmentation.transform import Shape
from segkit.training.augmentation.warping import _by_torch, dense_bend, warped

SIZES = [(9, 12, 10), (14, 11)]
ALWAYS = {"rotate": 1.0, "scale": 1.0, "bend": 1.0, "coarsen": 1.0, "coarse_channel": 0.5}


def batch(size, channels=2, samples=2, seed=0):
    draw = np.random.default_rng(seed)
    images = torch.from_numpy(draw.standard_normal((samples, channels, *size)).astype(np.float32))
    centre = np.array(size).reshape(-1, *[1] * len(size)) / 2
    radius = np.sqrt(((np.indices(size) - centre) ** 2).sum(0))
    reference = (radius < 4).astype(np.uint8) + (radius < 2)
    reference[:2] = 255
    return images, torch.from_numpy(np.stack([reference] * samples).astype(np.uint8))


def about_centre(matrix, size):
    middle = (np.array(size) - 1) / 2
    return middle - matrix @ middle


def turned(size, degrees=25.0, zoom=1.1):
    angle, matrix = np.radians(degrees), np.eye(len(size))
    matrix[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix * zoom


def linear_classes(reference, matrix, offset):
    """The class of the largest linearly interpolated one-hot weight, by SciPy; outside is class 0."""
    classes = np.unique(np.append(reference, 0))
    weights = [
        affine_transform((reference == value).astype(float), matrix, offset, order=1, cval=float(value == 0))
        for value in classes
    ]
    return classes[np.argmax(weights, axis=0)], np.sort(weights, axis=0)


@pytest.mark.parametrize("size", SIZES)
def test_images_are_interpolated_as_scipy_does(size):
    images, references = batch(size)
    matrix = turned(size)
    moved, _ = warped(images, references, [Warp(matrix, None, (None, None)), None])
    for before, after in zip(images[0], moved[0], strict=True):
        padded = np.pad(before.numpy(), 3)  # SciPy's constant mode cuts off at the outer centres, ours fades to 0
        offset = about_centre(matrix, size) + 3 - matrix @ np.full(len(size), 3.0)
        expected = affine_transform(padded, matrix, offset, order=1)[tuple([slice(3, -3)] * len(size))]
        np.testing.assert_allclose(after, expected, atol=1e-5)
    assert torch.equal(moved[1], images[1])


@pytest.mark.parametrize("size", SIZES)
def test_references_take_the_class_of_largest_weight(size):
    images, references = batch(size)
    matrix = turned(size, zoom=0.8)
    _, drawn = warped(images, references, [Warp(matrix, None, (None, None))] * 2)
    padded = np.pad(references[0].numpy(), 3)
    offset = about_centre(matrix, size) + 3 - matrix @ np.full(len(size), 3.0)
    inner = tuple([slice(3, -3)] * len(size))
    expected, weights = linear_classes(padded, matrix, offset)
    is_clear = (weights[-1] - weights[-2] > 1e-5)[inner]
    assert is_clear.mean() > 0.95
    assert np.array_equal(drawn[0].numpy()[is_clear], expected[inner][is_clear])


def test_monai_agrees_on_the_same_affine():
    size = (12, 10, 14)
    images, references = batch(size)
    matrix = turned(size)
    moved, _ = warped(images, references, [Warp(matrix, None, (None, None))] * 2)
    theta = np.eye(4)
    theta[:3, :3], theta[:3, 3] = matrix, about_centre(matrix, size)
    resample = AffineTransform(size, normalized=False, mode="bilinear", padding_mode="zeros", align_corners=True)
    expected = resample(images, torch.from_numpy(theta[None].repeat(2, 0)).float())
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_half_a_voxel_by_hand():
    image, reference = (
        torch.tensor([[[[0.0, 2.0, 4.0, 0.0]] * 2]]),
        torch.tensor([[[0, 1, 1, 2]] * 2], dtype=torch.uint8),
    )
    bend = np.zeros((2, 2, 4), np.float32)
    bend[1] = 0.5  # every control point half a voxel to the right, so every voxel is
    moved, drawn = warped(image, reference, [Warp(np.eye(2), bend, (None,))])
    assert moved[0, 0, 0].tolist() == pytest.approx([1.0, 3.0, 2.0, 0.0])
    assert drawn[0, 0].tolist() == [0, 1, 1, 0]  # of equal weights the lower class, and outside is 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(4))
def test_compiled_loops_and_pytorch_draw_the_same(size, seed):
    images, references = batch(size)
    transform = SpatialWarp(**ALWAYS, bend_mm=[0.5, 2.0])
    warp = transform.draw(np.random.default_rng(seed), Shape(2, size, (1.0,) * len(size)))
    moved, drawn = transform.apply(images, references, [warp, None])
    image, reference = images[0].clone(), references[0].clone()
    _by_torch(images[0], references[0], warp, image, reference, 1)
    np.testing.assert_allclose(moved[0], image, atol=2e-4)
    assert (drawn[0] != reference).float().mean() < 0.005  # ties within float rounding


def test_low_resolution_is_sampled_on_a_coarser_lattice_and_interpolated_back():
    size = (8, 8, 8)
    images, references = batch(size, channels=1, samples=1)
    blurred, kept = warped(images, references, [Warp(np.eye(3), None, ((4, 4, 4),))])
    pooled = torch.nn.functional.avg_pool3d(images, 2)  # halfway between two voxels, linearly, is their mean
    expected = torch.nn.functional.interpolate(pooled, size, mode="trilinear", align_corners=False)
    np.testing.assert_allclose(blurred, expected, atol=1e-5)
    assert torch.equal(kept, references)


def test_rotations_are_of_millimetres():
    transform = SpatialWarp(rotate=1, angles=[30, 30], scale=0, coarsen=0)
    spacing = np.array([1.0, 1.0, 3.0])
    warp = transform.draw(np.random.default_rng(0), Shape(1, (9, 9, 9), tuple(spacing)))
    in_mm = np.diag(spacing) @ warp.matrix @ np.diag(1 / spacing)
    np.testing.assert_allclose(in_mm @ in_mm.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(in_mm) == pytest.approx(1)


def test_offsets_follow_cubic_splines():
    bend = np.random.default_rng(0).standard_normal((2, 6, 6)).astype(np.float32)
    dense = dense_bend(Warp(np.eye(2), bend, ()), (6, 6), torch.empty(0)).numpy()
    expected = bend
    for axis in (1, 2):  # at the control points a cubic B-spline is their 1/6, 4/6, 1/6 mean
        expected = convolve1d(expected, np.array([1, 4, 1]) / 6, axis=axis, mode="nearest")
    np.testing.assert_allclose(dense, expected, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), flat=st.booleans())
def test_classes_are_among_those_given_and_outside_is_background(seed, flat):
    size = (10, 9) if flat else (8, 9, 7)
    images, references = batch(size)
    transform = SpatialWarp(**ALWAYS)
    draws = [transform.draw(np.random.default_rng(seed + n), Shape(2, size, (1.0,) * len(size))) for n in range(2)]
    moved, drawn = transform.apply(images, references, draws)
    assert set(drawn.unique().tolist()) <= {0, 1, 2, 255}
    assert float(moved.abs().max()) <= float(images.abs().max()) + 1e-4  # linear weights never overshoot


def test_nothing_that_fires_leaves_the_batch_as_it_is():
    images, references = batch(SIZES[0])
    never = SpatialWarp(rotate=0, scale=0, bend=0, coarsen=0)
    assert never.draw(np.random.default_rng(0), Shape(2, SIZES[0], (1.0,) * 3)) is None
    moved, drawn = never.apply(images, references, [None, None])
    assert moved is images
    assert drawn is references


def test_a_range_that_is_none_is_refused():
    with pytest.raises(UsageError, match=r"\[3, 1\] is no range"):
        SpatialWarp(angles=[3, 1])
