"""Shapes told without PyTorch's compiler, beside those that it computes."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from segkit.networks.forward_memory import forward_bytes
from segkit.networks.shapes import convolved, joined, pooled, repeated, resized

COUNTED = """
import sys, torch
from torch import nn
from segkit.networks.forward_memory import forward_bytes
layers = [nn.Conv3d(1, 4, 3), nn.InstanceNorm3d(4, affine=True), nn.LeakyReLU(), nn.AvgPool3d(2), nn.Sigmoid()]
forward_bytes(nn.Sequential(*layers, nn.ConvTranspose3d(4, 2, 2, 2)), 1, (16, 16, 16), torch.float32)
print(sorted({"sympy", "torch._dynamo"} & set(sys.modules)))
"""


@pytest.mark.parametrize("size", [9, 12, 13])
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [(3, 1, 1, 1), (3, 2, 1, 1), (2, 3, 0, 2)])
@pytest.mark.parametrize("transposed", [False, True])
def test_convolutions(size, kernel, stride, padding, dilation, transposed):
    image = torch.zeros(2, 4, size, size + 1)
    more = [stride - 1] * 2 if transposed else [0, 0]
    weights = torch.zeros((4, 3, kernel, kernel) if transposed else (6, 2, kernel, kernel))
    options = (None, [stride] * 2, [padding] * 2, [dilation] * 2, transposed, more, 2)
    assert torch.Size(convolved(image, weights, *options)) == torch.convolution(image, weights, *options).shape


@pytest.mark.parametrize("is_ceil", [False, True])
@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (2, 3, 1), (3, 1, 0)])
def test_pooling(window, stride, padding, is_ceil):
    for size in range(5, 12):
        image = torch.zeros(1, 2, size, size + 1)
        expected = functional.avg_pool2d(image, window, stride, padding, is_ceil).shape
        assert torch.Size(pooled(image, [window] * 2, [stride] * 2, [padding] * 2, is_ceil)) == expected


def test_joined_repeated_and_resized():
    image = torch.zeros(2, 3, 4)
    assert torch.Size(joined([image, image[:, :1]], 1)) == torch.cat([image, image[:, :1]], 1).shape
    assert torch.Size(repeated(image, [5, 1, 2, 3])) == image.repeat(5, 1, 2, 3).shape
    assert torch.Size(resized(image, [9], False, None)) == functional.interpolate(image, 9, mode="linear").shape


def test_bytes_counted_by_hand():
    # The patch, the convolution's output and both once more in the kernel's layout: 4 x 8^3 x (1 + 2 + 1 + 2).
    network = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.InstanceNorm3d(2), nn.ReLU(inplace=True))
    assert forward_bytes(network, 1, (8, 8, 8), torch.float32) == 4 * 8**3 * (1 + 2 + 1 + 2)


def test_no_compiler_is_imported():
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
