from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import nn

from segkit.config.options import InferenceOptions
from segkit.config.plan import Normalisation, Plan
from segkit.inference.sliding import combinations_of, flippable_axes, left_right_axis, sliding_logits
from segkit.networks import UNet

PLAN = Plan(
    dims=3, orientation="RAS", spacing=(1.0, 1.0, 1.0), patch=(8, 8, 8), batch=2, strides=((1, 1, 1), (2, 2, 2)),
    kernels=((3, 3, 3), (3, 3, 3)), normalisation={"MR": Normalisation("zscore")},
)  # fmt: skip
EXACT = InferenceOptions(overlap=0.5, mirror=False, windows=3, precision="32")


def network(dims=3, classes=3):
    torch.manual_seed(0)
    options = {"features": [4, 8], "strides": [(1,) * dims, (2,) * dims]}
    return UNet(in_channels=1, out_channels=classes, dims=dims, **options).eval()


def image(shape):
    return np.random.default_rng(0).normal(size=(1, *shape)).astype(np.float16)


def test_equal_to_monai():
    net, scan = network(), image((16, 12, 8))
    ours = sliding_logits(net, scan, PLAN, EXACT, flips=(), swapped=[0, 1, 2])
    with torch.no_grad():
        theirs = sliding_window_inference(
            torch.from_numpy(scan.astype(np.float32))[None], (8, 8, 8), 2, net, overlap=0.5, mode="gaussian"
        )[0]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_an_image_smaller_than_the_window_is_padded_and_cut_back():
    scan = image((5, 8, 3))
    ours = sliding_logits(network(), scan, PLAN, EXACT, flips=(), swapped=[0, 1, 2])
    padded = np.pad(scan, ((0, 0), (1, 2), (0, 0), (2, 3)))
    with torch.no_grad():
        theirs = network()(torch.from_numpy(padded.astype(np.float32))[None])[0, :, 1:6, :, 2:5]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_2d_network_goes_slice_by_slice():
    flat = replace(PLAN, dims=2, patch=(8, 1, 8))
    net, scan = network(2), image((8, 5, 8))
    ours = sliding_logits(net, scan, flat, EXACT, flips=(), swapped=[0, 1, 2])
    with torch.no_grad():
        theirs = torch.stack([net(torch.from_numpy(scan[:, :, y].astype(np.float32))[None])[0] for y in range(5)], 2)
    assert torch.allclose(ours, theirs, atol=1e-5)


class SideOfBrightness(nn.Module):
    """Class 1 where it is bright on the low half of the first axis, class 2 where it is bright on the high half."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        low = (torch.arange(x.shape[2])[:, None, None] < x.shape[2] / 2).float() * x
        return torch.cat([torch.full_like(x, 0.5), low, x - low], dim=1) * self.scale


def test_flips_average_and_swap_sided_classes():
    scan = np.zeros((1, 8, 8, 8), np.float16)
    scan[0, 1] = 1
    scan[0, 6, :4] = 1
    options = replace(EXACT, mirror=True)
    plain = sliding_logits(SideOfBrightness(), scan, PLAN, EXACT, flips=(0, 1, 2), swapped=[0, 2, 1])
    flipped = sliding_logits(SideOfBrightness(), scan, PLAN, options, flips=(0, 1, 2), swapped=[0, 2, 1])
    # The rule itself is symmetric once sides swap, so averaging over flips changes nothing.
    assert torch.allclose(plain, flipped, atol=1e-6)
    unswapped = sliding_logits(SideOfBrightness(), scan, PLAN, options, flips=(0,), swapped=[0, 1, 2])
    assert not torch.allclose(plain, unswapped, atol=0.1)


def test_axes_that_may_be_flipped():
    assert combinations_of(()) == [()]
    assert len(combinations_of((0, 1, 2))) == 8
    assert left_right_axis(PLAN) == 0
    assert left_right_axis(replace(PLAN, orientation="PIR")) == 2
    assert flippable_axes(replace(PLAN, dims=2, patch=(8, 1, 8)), [0, 1]) == (0, 2)
    assert flippable_axes(replace(PLAN, orientation=None), [0, 2, 1]) == ()


def test_bf16_stays_near():
    scan = image((8, 8, 8))
    exact = sliding_logits(network(), scan, PLAN, EXACT, flips=(), swapped=[0, 1, 2])
    rounded = sliding_logits(network(), scan, PLAN, replace(EXACT, precision="bf16"), flips=(), swapped=[0, 1, 2])
    assert torch.allclose(exact, rounded, atol=0.1)
    assert rounded.dtype == torch.float32
    assert pytest.approx(0, abs=1e-6) != float((exact - rounded).abs().max())
