import numpy as np
import pytest
import torch
from scipy import ndimage

from segkit.foundation.errors import UsageError
from segkit.training.augmentation import SpatialWarp
from segkit.training.augmentation.cubic import RIM, coefficients, cubic_samples
from segkit.training.augmentation.spatial import Warp
from segkit.training.augmentation.warping import _by_torch, _on_cpu, lattice


def noise(*size, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=size).astype(np.float32))


def scipys(image, places):
    """The spline through an image that zeros surround."""
    around = 40
    padded = np.pad(image.astype(np.float64), around)
    controls = ndimage.spline_filter(padded, order=3, mode="mirror")
    return ndimage.map_coordinates(controls, places + around, order=3, mode="mirror", prefilter=False)


def test_coefficients_of_one_bright_voxel():
    # Between zeros the inverse filter is sqrt(3) * (sqrt(3) - 2)^|n|: 1.732, -0.4641, 0.1244, -0.0333.
    image = torch.zeros(5)
    image[2] = 1
    side = [-0.00239, 0.00893, -0.03332, 0.12436, -0.46410]
    assert coefficients(image).tolist() == pytest.approx([*side, 1.73205, *side[::-1]], abs=1e-5)


@pytest.mark.parametrize("size", [(40,), (23, 31), (12, 9, 15)])
def test_samples_as_scipys(size):
    image = noise(*size)
    draw = np.random.default_rng(1)
    places = np.stack([draw.uniform(-1.9, count + 0.9, 500) for count in size]).astype(np.float32)
    if len(size) == 1:  # PyTorch samples planes and volumes
        image, places = image[None], np.concatenate([np.zeros((1, 500), np.float32), places])
    ours = cubic_samples(
        coefficients(image), torch.from_numpy(places.reshape(len(places), *[1] * (len(places) - 1), 500))
    )
    assert ours.reshape(-1).numpy() == pytest.approx(scipys(image.numpy(), places), abs=1e-4)


def test_the_image_itself_at_its_own_voxels_and_zero_far_outside():
    image = noise(6, 7, 8)
    index = torch.stack(torch.meshgrid(*map(torch.arange, image.shape), indexing="ij")).float()
    assert torch.allclose(cubic_samples(coefficients(image), index), image, atol=1e-5)
    assert not cubic_samples(coefficients(image), index - 9).any()
    assert coefficients(image).shape == tuple(size + 2 * RIM for size in image.shape)


@pytest.mark.parametrize("size", [(24, 20), (14, 18, 16)])
@pytest.mark.parametrize("coarse", [None, 0.6])
def test_both_ways_to_warp_agree_with_scipy(size, coarse):
    draw, dims = np.random.default_rng(3), len(size)
    matrix = np.eye(dims) + draw.normal(0, 0.15, (dims, dims))
    points = size if coarse is None else tuple(round(count * coarse) for count in size)
    warp = Warp(matrix, None, (None if coarse is None else points,))
    image, reference = noise(1, *size), torch.zeros(size, dtype=torch.uint8)
    results = []
    for way in (_on_cpu, _by_torch):
        new_image, new_reference = image.clone(), reference.clone()
        way(image, reference, warp, new_image, new_reference, 3)
        results.append(new_image)
    assert torch.allclose(*results, atol=1e-4)
    if coarse is None:
        turn, offset = lattice(warp, size, points)
        index = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij")).reshape(dims, -1)
        places = turn @ index + offset[:, None]
        near = ((places > -1.9) & (places < np.array(size)[:, None] + 0.9)).all(0)
        assert results[0].reshape(-1).numpy()[near] == pytest.approx(scipys(image[0].numpy(), places)[near], abs=1e-4)
        assert near.mean() > 0.5


def test_cubic_keeps_detail_that_linear_blurs():
    image = noise(1, 1, 32, 32)
    half = Warp(np.eye(2), np.full((2, 2, 2), 0.5, np.float32), (None,))
    reference = torch.zeros((1, 32, 32), dtype=torch.uint8)
    linear, cubic = (SpatialWarp(order=order).apply(image, reference, [half])[0] for order in (1, 3))
    assert cubic.var() > 1.2 * linear.var()


def test_no_other_order():
    with pytest.raises(UsageError, match=r"a SpatialWarp of order 2: write 1 \(linear\) or 3 \(cubic\)"):
        SpatialWarp(order=2)
