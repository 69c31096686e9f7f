import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from segkit.networks import UNet
from segkit.networks.activations import LOGIT_BYTES, WEIGHT_BYTES, Footprint, footprint
from segkit.training.losses import DiceCrossEntropy, supervised

LEVELS = [[1, 1, 1], [2, 2, 2], [2, 2, 2]]


def unet(**changes):
    options = {"in_channels": 1, "out_channels": 3, "dims": 3, "features": [8, 16, 24], "strides": LEVELS, **changes}
    return UNet(**options)


def kept_in_truth(network, images):
    """Sum the storages that a forward pass with numbers keeps for the backward pass."""
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(images)
    assert outputs is not None
    return sum(storage.nbytes() for storage in kept.values())


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of the tensors that exist, and their peak."""

    def __init__(self):
        super().__init__()
        self.live, self.peak, self.known = 0, 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.count(tensor.untyped_storage())
        return result

    def count(self, storage):
        key, size = storage._cdata, storage.nbytes()
        if key not in self.known:
            self.known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.forget, key, size)

    def forget(self, key, size):
        self.known.discard(key)
        self.live -= size


def peak_in_truth(network, patch, batch, outputs):
    """Train one step in float32 and return the peak of its tensors, weights and what learns them apart."""
    images = torch.randn(batch, 1, *patch)
    target = torch.randint(0, outputs, (batch, *patch))
    with LiveTensors() as tensors:
        supervised(DiceCrossEntropy(), network(images), target).backward()
    return tensors.peak


def test_a_small_network_by_hand():
    # Two levels of 4 and 6 channels on a patch of 8^3 voxels; two convolutions a block, each with its norm's input and
    # its rectifier's output kept:
    finest = 1 + 2 * 2 * 4 + 2 * 4 + 2 * 2 * 4  # the image, the encoder's, the skip beside the upsampled, the decoder's
    coarse = 2 * 2 * 6  # the bottom's, an eighth as many voxels
    expected = 4 * (512 * finest + 64 * coarse)
    statistics = 4 * 2 * (4 * 4 + 2 * 6)  # mean and deviation of each norm's channels
    affine = 4 * 2 * (4 * 4 + 2 * 6)  # scale and shift of each norm, repeated for each patch of a batch
    found = footprint(lambda: unet(features=[4, 6], strides=LEVELS[:2]), 1, (8, 8, 8), torch.float32)
    assert expected <= found.kept <= expected + statistics + affine
    assert (found.voxels, found.logits, found.widest) == (512, 3 * 512, 4 * 4 * 512)
    assert found.parameters == sum(each.numel() for each in unet(features=[4, 6], strides=LEVELS[:2]).parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"block": "residual"},
        {"pool": "max"},
        {"pool": "average", "block": "residual"},
        {"dropout": 0.1},
        {"deep_supervision": True},
        {"convolutions": 3},
        {"dims": 2, "strides": [[1, 1], [2, 2], [2, 1]]},
        {"kernels": [[3, 3, 1], [3, 3, 3], [3, 3, 3]], "strides": [[1, 1, 1], [2, 2, 1], [2, 2, 2]]},
    ],
    ids=str,
)
def test_what_is_kept_without_numbers_is_what_is_kept_with_them(changes):
    patch = (16, 24, 16)[: changes.get("dims", 3)]
    found = footprint(lambda: unet(**changes), 1, patch, torch.float32)
    truth = kept_in_truth(unet(**changes).train(), torch.randn(1, 1, *patch))
    assert found.kept == pytest.approx(truth, rel=0.001)


@pytest.mark.parametrize(
    ("changes", "patch", "batch"),
    [
        ({}, (32, 32, 32), 2),
        ({"block": "residual", "features": [16, 32, 64]}, (32, 24, 16), 2),
        ({"dims": 2, "strides": [[1, 1], [2, 2], [2, 2]]}, (128, 96), 3),
        ({"out_channels": 30, "deep_supervision": True}, (24, 24, 24), 1),
    ],
    ids=["plain", "residual", "2d", "many classes"],
)
def test_the_estimate_is_near_the_measured_peak(changes, patch, batch):
    found = footprint(lambda: unet(**changes), 1, patch, torch.float32)
    learning = WEIGHT_BYTES * found.parameters
    estimate = found.step_bytes(found.voxels, batch, on_gpu=False) - learning
    measured = peak_in_truth(unet(**changes).train(), patch, batch, changes.get("out_channels", 3))
    assert estimate == pytest.approx(measured, rel=0.15)


def test_bf16_keeps_half():
    whole = footprint(unet, 1, (16, 16, 16), torch.float32)
    half = footprint(unet, 1, (16, 16, 16), torch.bfloat16)
    assert half.kept == pytest.approx(whole.kept / 2, rel=0.01)


def test_a_step_by_hand():
    seen = Footprint(voxels=1000, kept=50_000, logits=2000, widest=8000, parameters=100)
    # 100 x 22 for the weights; twice 50,000 kept and 21 x 2000 for the loss, which is more than 4 x 8000 passing.
    assert seen.step_bytes(1000, 2, on_gpu=False) == 2200 + 2 * (50_000 + LOGIT_BYTES * 2000)
    assert seen.step_bytes(500, 4, on_gpu=False) == seen.step_bytes(1000, 2, on_gpu=False)
    assert seen.step_bytes(1000, 2, on_gpu=True) == math.ceil(1e9 + 1.1 * (2200 + 2 * 92_000))


@settings(deadline=None, max_examples=30)
@given(size=st.tuples(*[st.integers(2, 12)] * 3), more=st.integers(1, 6), axis=st.integers(0, 2))
def test_a_larger_patch_takes_more(size, more, axis):
    small = tuple(4 * edge for edge in size)
    large = tuple(edge + 4 * more * (index == axis) for index, edge in enumerate(small))
    seen = [footprint(unet, 1, patch, torch.bfloat16) for patch in (small, large)]
    taken = [each.step_bytes(each.voxels, 2, on_gpu=True) for each in seen]
    assert taken[0] < taken[1]
    # One look tells the memory of every other patch.
    assert seen[0].step_bytes(seen[1].voxels, 2, on_gpu=True) == pytest.approx(taken[1], rel=0.01)


def test_a_network_whose_making_needs_values_is_looked_at_too():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.linspace(0, 1, 3)[1].item()
            self.layer = nn.Conv3d(1, 2, 1)

        def forward(self, images):
            return self.scale * self.layer(images)

    found = footprint(Scaled, 1, (4, 4, 4), torch.float32)
    assert (found.logits, found.parameters) == (128, 4)


def test_a_network_that_runs_on_values_is_refused():
    class Deciding(nn.Module):
        def forward(self, images):
            return images if images.sum() > 0 else -images

    with pytest.raises(RuntimeError):
        footprint(Deciding, 1, (4, 4, 4), torch.float32)
