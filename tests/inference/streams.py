"""Streams for tests: a small network, an image and its plan."""

from dataclasses import replace

import numpy as np
import torch
from scipy import ndimage
from torch import nn

from segkit.config.options import InferenceOptions
from segkit.config.plan import Normalisation, Plan
from segkit.inference.memory import activation_bytes, plan_work
from segkit.inference.route import route_across
from segkit.inference.streaming import Stream, finished_planes
from segkit.networks import UNet
from segkit.volumes.grid import Grid, affine_from

PLAN = Plan(
    dims=3, orientation="RAS", spacing=(1.0, 1.0, 1.0), patch=(8, 8, 8), batch=2, strides=((1, 1, 1), (2, 2, 2)),
    kernels=((3, 3, 3), (3, 3, 3)), normalisation={"MR": Normalisation("zscore")},
)  # fmt: skip
EXACT = InferenceOptions(overlap=0.5, mirror="none", windows=3, memory="1GB", skip_empty=False, precision="32")


class Stored(nn.Module):
    """Returns its input's channels: the image is the logits."""

    def __init__(self):
        super().__init__()
        self.one = nn.Parameter(torch.ones(1))

    def forward(self, batch):
        return batch * self.one


def small_network(dims=3, classes=3, seed=0):
    torch.manual_seed(seed)
    options = {"features": [4, 8], "strides": [(1,) * dims, (2,) * dims]}
    return UNet(in_channels=1, out_channels=classes, dims=dims, **options).eval()


def random_image(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(1, *shape)).astype(np.float16)


def random_logits(shape, classes=3, seed=0):
    """Smooth enough that neighbouring voxels often share a label, as a network's logits do."""
    noise = np.random.default_rng(seed).normal(size=(classes, *shape))
    return (8 * ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 1.5))).astype(np.float32)


def stream_of(network, image, plan=PLAN, options=EXACT, grid=None, *, flips=(), classes=3, swapped=None):
    grid = grid or Grid(image.shape[1:], affine_from((1.0, 1.0, 1.0)))
    return Stream([network], [flips], swapped or list(range(classes)), plan, image, grid, options)


def work_for(stream, scan_grid, *, with_scores=False):
    activation = activation_bytes(stream.networks[0], stream.plan, "32")
    return plan_work([stream], scan_grid, [activation], with_scores=with_scores)


def whole_logits(stream, axis=0, **changes):
    """Return the logits (K, X, Y, Z) that a stream yields, put together."""
    route = route_across(axis, stream.grid, stream.grid)
    work = replace(work_for(stream, stream.grid), **changes)
    planes = finished_planes(stream, route, (0, route.shape[1] - 1), work, is_regions=False)
    turned = np.concatenate([part.copy() for part in planes])
    return turned.transpose(3, *(1 + np.argsort(route.source) - 1))
