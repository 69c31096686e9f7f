import numpy as np
import pytest
import torch
from scipy import ndimage

from segkit.config.options import AugmentationOptions
from segkit.foundation.errors import UsageError
from segkit.training.augmentation import Augmentation
from segkit.training.augmentation.kornia_steps import is_kornias, kornia_augmented, kornia_roles
from segkit.training.building import build_augmentation

kornia = pytest.importorskip("kornia.augmentation", reason="kornia is not installed (the extra segkit[kornia])")
COUNTERS = [(0, 0), (0, 1)]


def patch(*size):
    """An image whose grey values are those of its reference, so that both must move alike."""
    draw = np.random.default_rng(0)
    blobs = ndimage.gaussian_filter(draw.normal(size=size), 2)
    reference = np.digitize(blobs, np.quantile(blobs, [0.6, 0.85])).astype(np.uint8)
    return torch.from_numpy(reference.astype(np.float32))[None], torch.from_numpy(reference)


@pytest.mark.parametrize(
    ("step", "size"),
    [
        (lambda: kornia.RandomAffine3D(degrees=(20.0, 20.0, 20.0), p=1.0), (18, 20, 22)),
        (lambda: kornia.RandomHorizontalFlip3D(p=1.0), (8, 9, 10)),
        (lambda: kornia.RandomAffine(25.0, translate=(0.1, 0.1), p=1.0), (40, 44)),
        (lambda: kornia.RandomElasticTransform((31, 31), (6.0, 6.0), (8.0, 8.0), p=1.0), (40, 44)),
    ],
)
def test_image_and_reference_move_together(step, size):
    image, reference = patch(*size)
    step = step()
    assert is_kornias(step)
    torch.manual_seed(0)
    moved, labels = kornia_augmented(step, image, reference)
    assert not torch.equal(labels, reference)
    assert labels.dtype == reference.dtype
    assert set(labels.unique().tolist()) <= {0, 1, 2}
    # The grey values are the labels, interpolated: rounding one gives the other but at the rim between two classes.
    assert (moved[0].round() == labels).float().mean() > 0.93


def test_intensities_change_the_image_alone():
    image, reference = patch(30, 32)
    moved, labels = kornia_augmented(kornia.RandomGaussianNoise(p=1.0), image, reference)
    assert not torch.equal(moved, image)
    assert torch.equal(labels, reference)


def test_in_a_list_each_sample_draws_from_its_own_counter(balls):
    _, plan, _ = balls
    transforms = [{"_target_": "kornia.augmentation.RandomAffine3D", "degrees": [20.0, 20.0, 20.0], "p": 1.0}]
    augmentation = build_augmentation(
        AugmentationOptions(mirror=0, mirror_axes=None, transforms=transforms), plan, [0, 1], seed=1
    )
    assert isinstance(augmentation, Augmentation)
    images, references = (torch.stack([part, part]) for part in patch(12, 14, 16))
    state = torch.get_rng_state()
    first, labels = augmentation(images, references, COUNTERS)
    assert torch.equal(torch.get_rng_state(), state)
    again, _ = augmentation(images, references, COUNTERS[::-1])
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first[0], again[1])
    assert labels.shape == references.shape


def test_what_is_not_kornias():
    assert not is_kornias(torch.nn.ReLU())
    assert not is_kornias(print)


class OwnNoise(kornia.RandomGaussianNoise):
    """A stranger's subclass, defined elsewhere than Kornia's own."""


def test_a_subclass_of_an_intensity_change_leaves_the_reference_alone():
    image, reference = patch(30, 32)
    moved, labels = kornia_augmented(OwnNoise(p=1.0), image, reference)
    assert not torch.equal(moved, image)
    assert torch.equal(labels, reference)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda: kornia.RandomCrop((8, 8)), r"kornia's RandomCrop makes patches of \(1, 8, 8\) out of \(1, 30, 32\)"),
        (lambda: kornia.auto.RandAugment(2, 10), "kornia's RandAugment changes neither intensities nor places alone"),
        (lambda: kornia.RandomMixUpV2(p=1.0), "kornia's RandomMixUpV2 changes neither"),
    ],
)
def test_what_has_no_place_in_a_list_of_ours_is_refused(step, message):
    with pytest.raises(UsageError, match=message):
        kornia_augmented(step(), *patch(30, 32))


def test_a_strangers_augmentation_must_be_kornias_where_that_is_trusted():
    assert kornia_roles([]) == ()
    (role,) = kornia_roles(["kornia"])
    assert issubclass(kornia.RandomAffine3D, role)
    assert not issubclass(torch.nn.ReLU, role)
