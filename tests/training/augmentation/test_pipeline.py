from dataclasses import replace

import numpy as np
import torch
from monai.transforms import Compose, RandAffined, RandGaussianNoised

from segkit.config.options import AugmentationOptions
from segkit.training.augmentation import Augmentation, Brightness, Gamma, GaussianBlur, GaussianNoise, SpatialWarp
from segkit.training.building import build_augmentation, training_flips


def sample():
    draw = torch.Generator().manual_seed(0)
    return torch.randn((2, 1, 6, 7, 8), generator=draw), torch.randint(3, (2, 6, 7, 8), generator=draw)


def flips_only(**options):
    defaults = {
        "steps": (),
        "mirror": 1.0,
        "flip_axes": (0,),
        "left_right": None,
        "swapped": (0, 1, 2),
        "spacing": (1.0, 1.0, 1.0),
        "seed": 1,
    }
    return Augmentation(**{**defaults, **options})


def test_a_flip_moves_image_and_reference_together():
    images, references = sample()
    flipped_images, flipped_references = flips_only(flip_axes=(1,))(images, references, [(0, 0), (0, 1)])
    assert torch.equal(flipped_images, images.flip(3))
    assert torch.equal(flipped_references, references.flip(2))


def test_sided_labels_swap_under_a_left_right_flip_only():
    images, references = sample()
    sided = {"left_right": 0, "swapped": (0, 2, 1)}
    _, swapped = flips_only(flip_axes=(0,), **sided)(images, references, [(0, 0), (0, 1)])
    assert torch.equal(swapped, torch.tensor([0, 2, 1])[references.flip(1)])
    _, kept = flips_only(flip_axes=(2,), **sided)(images, references, [(0, 0), (0, 1)])
    assert torch.equal(kept, references.flip(3))


def test_ignored_voxels_stay_ignored_under_a_flip():
    images, references = sample()
    references = references.to(torch.uint8)
    references[:, :2] = 255
    _, flipped = flips_only(left_right=0, swapped=(0, 2, 1))(images, references, [(0, 0), (0, 1)])
    assert (flipped[:, -2:] == 255).all()
    assert (flipped[:, :-2] < 3).all()


def test_draws_depend_on_the_counter_alone_and_leave_global_generators_alone():
    images, references = sample()
    transforms = Compose(
        [
            RandAffined(["image", "reference"], prob=1, rotate_range=0.5, mode=["bilinear", "nearest"]),
            RandGaussianNoised(["image"], prob=1, std=0.5),
        ]
    )
    augmentation = flips_only(steps=(transforms,), mirror=0.5, flip_axes=(0, 1, 2))
    before = torch.get_rng_state()
    first = augmentation(images, references, [(5, 0), (5, 1)])
    assert torch.equal(torch.get_rng_state(), before)
    augmentation(images, references, [(6, 0), (6, 1)])
    again = augmentation(images, references, [(5, 0), (5, 1)])
    alone = augmentation(images[1:], references[1:], [(5, 1)])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert torch.equal(first[0][1:], alone[0])
    assert type(first[0]) is torch.Tensor
    assert set(np.unique(first[1])) <= {0, 1, 2}


def test_built_from_conf_for_a_2d_plan(balls):
    _, plan, _ = balls
    flat = replace(plan, dims=2, patch=(16, 16, 1))
    augmentation = build_augmentation(
        AugmentationOptions(mirror=0.5, mirror_axes=None, transforms=[]), flat, [0, 2, 1], seed=0
    )
    assert augmentation.flip_axes == (0, 1)
    assert augmentation.left_right == 0
    sagittal = replace(plan, dims=2, patch=(1, 16, 16))
    assert (
        build_augmentation(
            AugmentationOptions(mirror=0.5, mirror_axes=None, transforms=[]), sagittal, [0, 2, 1], 0
        ).left_right
        is None
    )


def test_unknown_orientation_forbids_flips_of_sided_labels(balls):
    _, plan, _ = balls
    free = replace(plan, orientation=None)
    options = AugmentationOptions(mirror=0.5, mirror_axes=None, transforms=[])
    assert training_flips(options, free, [0, 2, 1]) == ()
    assert training_flips(options, free, [0, 1, 2]) == (0, 1, 2)
    assert training_flips(AugmentationOptions(mirror=0, mirror_axes=None, transforms=[]), plan, [0, 1, 2]) == ()
    left = AugmentationOptions(mirror=None, mirror_axes=None, transforms=[])
    assert training_flips(left, plan, [0, 1, 2]) == training_flips(options, plan, [0, 1, 2])
    assert training_flips(left, replace(plan, long=False), [0, 1, 2]) == ()
    assert build_augmentation(left, plan, [0, 1, 2], seed=0).mirror == 0.5


def test_flips_along_chosen_axes_alone(balls):
    _, plan, _ = balls
    left_right = AugmentationOptions(mirror=1.0, mirror_axes=[0], transforms=[])
    assert training_flips(left_right, plan, [0, 1]) == (0,)
    images, references = sample()
    flipped, _ = build_augmentation(left_right, plan, [0, 1, 2], seed=0)(images, references, [(0, 0), (0, 1)])
    assert torch.equal(flipped, images.flip(2))


def test_neighbouring_slices_move_and_change_as_one():
    """Equal slices of a channel stay equal, and are what the slice alone becomes; noise is each slice's own."""
    steps = (SpatialWarp(rotate=1, scale=1, bend=1, coarsen=1), GaussianBlur(1.0, 1.0), Brightness(1.0), Gamma(1.0))
    draw = torch.Generator().manual_seed(0)
    alone, references = torch.randn((2, 2, 9, 8), generator=draw), torch.randint(3, (2, 9, 8), generator=draw).byte()
    options = {"flip_axes": (0, 1), "spacing": (1.0, 1.0), "mirror": 0.5}
    counters = [(0, 0), (0, 1)]
    expected, classes = flips_only(steps=steps, **options)(alone.clone(), references, counters)
    stacked = alone.repeat_interleave(3, dim=1)
    found, moved = flips_only(steps=steps, slices=3, **options)(stacked, references, counters)
    assert torch.equal(moved, classes)
    torch.testing.assert_close(found, expected.repeat_interleave(3, dim=1), atol=1e-4, rtol=1e-4)
    noisy, _ = flips_only(steps=(GaussianNoise(1.0),), slices=3, **{**options, "mirror": 0.0})(
        stacked.clone(), references, counters
    )
    assert not torch.equal(noisy[:, 0], noisy[:, 1])
