"""2.5D: each slice with its neighbours as channels, computed naively beside the stream, and cut alike for training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from streams import PLAN, random_image, stream_of, whole_logits

from segkit.config.plan import Normalisation
from segkit.networks import UNet
from segkit.training.sampling import PatchDataset

NEIGHBOURS = 2


def network_of(channels):
    torch.manual_seed(3)
    width = channels * (2 * NEIGHBOURS + 1)
    strides = [(1, 1), (2, 2)]
    return UNet(in_channels=width, out_channels=3, dims=2, features=[4, 8], strides=strides).eval()


def plan_of(patch, channels):
    normalisation = {f"channel_{number}": Normalisation("zscore") for number in range(channels)}
    strides, kernels = ((1, 1), (2, 2)), ((3, 3), (3, 3))
    return replace(
        PLAN, dims=2, patch=patch, strides=strides, kernels=kernels, normalisation=normalisation, neighbours=NEIGHBOURS
    )


def stack_by_hand(image, axis, index):
    """Return the slice with its neighbours, (C * 5, A, B): of the first channel from the lowest on, then the next."""
    turned = np.moveaxis(image.astype(np.float32), axis + 1, 1)
    seen = []
    for channel in turned:
        for step in (-2, -1, 0, 1, 2):
            place = index + step
            place = 0 if place < 0 else place
            place = len(channel) - 1 if place >= len(channel) else place
            seen.append(channel[place])
    return torch.from_numpy(np.stack(seen))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_prediction_is_that_of_each_slice_with_its_neighbours(axis, channels):
    shape = [8, 8, 8]
    shape[axis] = 4  # fewer slices than are seen at once: the outermost are repeated
    patch = tuple(1 if place == axis else 8 for place in range(3))
    images = np.concatenate([random_image(shape, seed=channel) for channel in range(channels)])
    network = network_of(channels)
    found = whole_logits(stream_of(network, images, plan_of(patch, channels)))
    with torch.no_grad():
        slices = [network(stack_by_hand(images, axis, index)[None])[0] for index in range(4)]
    assert np.allclose(found, torch.stack(slices, axis + 1), atol=1e-5)


class Prepared:
    """A prepared case without files."""

    name, positions = "case", ()

    def __init__(self, image):
        self.image, self.reference = image, image[0] > 0


def test_training_cuts_the_stack_that_prediction_shows():
    images = np.concatenate([random_image((8, 6, 8), seed=channel) for channel in range(2)])
    plan = plan_of((8, 1, 8), 2)
    patches = PatchDataset([Prepared(images)], plan.patch, seed=0, foreground=0.0, neighbours=plan.neighbours)
    seen = set()
    for step in range(12):
        sample = patches[(step, 0)]
        _, start = patches.drawn((step, 0))
        assert sample["reference"].shape == (8, 1, 8)
        assert np.array_equal(sample["reference"][:, 0], images[0, :, start[1]] > 0)
        stack = torch.from_numpy(sample["image"]).float().movedim(2, 1).flatten(0, 1)
        assert torch.equal(stack, stack_by_hand(images, 1, int(start[1])))
        seen.add(int(start[1]))
    assert {0, 5} <= seen
