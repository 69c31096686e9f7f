import pytest
import torch
from torch import nn

from segkit.networks.blocks import PlainBlock, ResidualBlock, level
from segkit.networks.layers import convolution

ONES = (1, 1)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("size", [(8, 10), (9, 7)])
@pytest.mark.parametrize("block", [PlainBlock, ResidualBlock])
def test_a_block_divides_the_size_rounding_up(block, size, stride):
    made = block(2, 3, 4, (3, 3), stride, convolutions=2)
    expected = tuple(-(-length // step) for length, step in zip(size, stride, strict=True))
    assert made(torch.randn(2, 3, *size)).shape == (2, 4, *expected)


def test_a_residual_block_adds_its_input_before_the_last_rectifier():
    block = ResidualBlock(2, 3, 3, (3, 3), ONES, convolutions=2)
    nn.init.zeros_(block.body[-1].weight)  # the last norm: its body gives zeros
    image = torch.randn(1, 3, 6, 6)
    assert torch.allclose(block(image), nn.functional.leaky_relu(image, 0.01))


def test_a_shortcut_averages_where_the_block_strides():
    block = ResidualBlock(2, 3, 3, (3, 3), (2, 2), convolutions=2)
    nn.init.zeros_(block.body[-1].weight)
    image = torch.rand(1, 3, 6, 6)
    assert torch.allclose(block(image), nn.functional.avg_pool2d(image, 2))


def test_a_block_changes_nothing_of_its_input():
    image = torch.randn(1, 3, 6, 6)
    before = image.clone()
    for block in (PlainBlock, ResidualBlock):
        block(2, 3, 3, (3, 3), ONES, convolutions=1)(image)
    assert torch.equal(image, before)


@pytest.mark.parametrize(("pool", "kind"), [("max", nn.MaxPool2d), ("average", nn.AvgPool2d)])
def test_pooling_stands_before_the_block(pool, kind):
    how = {"block": "plain", "convolutions": 1}
    made = level(2, 3, 4, (3, 3), (2, 1), pool=pool, dropout=0.0, **how)
    assert isinstance(made[0], kind)
    assert made(torch.randn(1, 3, 8, 8)).shape == (1, 4, 4, 8)
    assert len(level(2, 3, 4, (3, 3), ONES, pool=pool, dropout=0.0, **how)) == 1  # nothing to halve
    assert isinstance(level(2, 3, 4, (3, 3), ONES, pool=pool, dropout=0.2, **how)[-1], nn.Dropout2d)


def test_a_convolution_keeps_the_size_for_odd_kernels():
    made = convolution(3, 1, 2, (1, 3, 5), (1, 1, 1))
    assert made(torch.randn(1, 1, 4, 5, 6)).shape == (1, 2, 4, 5, 6)
    assert made.bias is None
