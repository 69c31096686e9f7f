import pytest
import torch
from torch import nn

from segkit.networks.blocks import (
    BLOCKS,
    BlockShape,
    CompactBlock,
    DenseBlock,
    MultiResolutionBlock,
    PlainBlock,
    ResidualBlock,
    level,
)
from segkit.networks.layers import convolution

ONES = (1, 1)


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("size", [(8, 10), (9, 7)])
@pytest.mark.parametrize("block", [PlainBlock, ResidualBlock])
def test_a_block_divides_the_size_rounding_up(block, size, stride):
    made = block(BlockShape(2, 3, 4, (3, 3), stride, 2))
    expected = tuple(-(-length // step) for length, step in zip(size, stride, strict=True))
    assert made(torch.randn(2, 3, *size)).shape == (2, 4, *expected)


def test_a_residual_block_adds_its_input_before_the_last_rectifier():
    block = ResidualBlock(BlockShape(2, 3, 3, (3, 3), ONES, 2))
    nn.init.zeros_(block.body[-1].weight)  # the last norm: its body gives zeros
    image = torch.randn(1, 3, 6, 6)
    assert torch.allclose(block(image), nn.functional.leaky_relu(image, 0.01))


def test_a_shortcut_averages_where_the_block_strides():
    block = ResidualBlock(BlockShape(2, 3, 3, (3, 3), (2, 2), 2))
    nn.init.zeros_(block.body[-1].weight)
    image = torch.rand(1, 3, 6, 6)
    assert torch.allclose(block(image), nn.functional.avg_pool2d(image, 2))


def test_a_block_changes_nothing_of_its_input():
    image = torch.randn(1, 3, 6, 6)
    before = image.clone()
    for block in (PlainBlock, ResidualBlock):
        block(BlockShape(2, 3, 3, (3, 3), ONES, 1))(image)
    assert torch.equal(image, before)


@pytest.mark.parametrize(("pool", "kind"), [("max", nn.MaxPool2d), ("average", nn.AvgPool2d)])
def test_pooling_stands_before_the_block(pool, kind):
    halving, plain = (BlockShape(2, 3, 4, (3, 3), stride, 1) for stride in ((2, 1), ONES))
    made = level(halving, block="plain", pool=pool, dropout=0.0)
    assert isinstance(made[0], kind)
    assert made(torch.randn(1, 3, 8, 8)).shape == (1, 4, 4, 8)
    assert len(level(plain, block="plain", pool=pool, dropout=0.0)) == 1  # nothing to halve
    assert isinstance(level(plain, block="plain", pool=pool, dropout=0.2)[-1], nn.Dropout2d)


def test_a_convolution_keeps_the_size_for_odd_kernels():
    made = convolution(3, 1, 2, (1, 3, 5), (1, 1, 1))
    assert made(torch.randn(1, 1, 4, 5, 6)).shape == (1, 2, 4, 5, 6)
    assert made.bias is None


@pytest.mark.parametrize("block", [DenseBlock, CompactBlock])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_dense_and_compact_blocks_hand_their_input_on(block, stride):
    made, image = block(BlockShape(2, 3, 5, (3, 3), stride, 2)), torch.randn(2, 3, 8, 6)
    features = made(image)
    assert features.shape == (2, made.channels, 8 // stride[0], 6)
    assert made.channels == 8
    if stride == ONES:
        assert torch.equal(features[:, :3], image)


def test_a_dense_layer_sees_all_before_it():
    made, image = DenseBlock(BlockShape(2, 3, 7, (3, 3), ONES, 3)), torch.randn(1, 3, 6, 6)
    assert [(layer[0].in_channels, layer[0].out_channels) for layer in made.layers] == [(3, 2), (5, 2), (7, 3)]
    seen = image
    for layer in made.layers:
        seen = torch.cat((seen, layer(seen)), dim=1)
    assert torch.equal(made(image), seen)


def test_a_compact_block_is_a_plain_one_beside_its_input():
    made, image = CompactBlock(BlockShape(2, 3, 5, (3, 3), ONES, 2)), torch.randn(1, 3, 6, 6)
    assert torch.equal(made(image)[:, 3:], made.body(image))


def test_channels_of_several_resolutions_are_the_papers():
    # W = 1.67 x 32 = 53.44, of which a sixth, a third and a half; MultiResUNet's first block has 51 channels.
    made = MultiResolutionBlock(BlockShape(2, 1, 32, (3, 3), ONES, 3))
    assert [layer[0].out_channels for layer in made.chain] == [8, 17, 26]
    assert made.channels == 51


def test_several_resolutions_by_the_formula():
    made, image = MultiResolutionBlock(BlockShape(2, 3, 4, (3, 3), ONES, 3)), torch.randn(1, 3, 6, 6)
    small = made.chain[0](image)
    middle = made.chain[1](small)
    large = made.chain[2](middle)
    side_by_side = torch.cat((small, middle, large), dim=1)
    assert torch.allclose(made(image), nn.functional.leaky_relu(side_by_side + made.shortcut(image), 0.01))


@pytest.mark.parametrize("block", sorted(BLOCKS))
def test_blocks_follow_each_other_and_only_the_first_strides(block):
    shape, how = BlockShape(2, 3, 4, (3, 3), (2, 2), 2), {"pool": "strided", "dropout": 0.0, "blocks": 3}
    made = level(shape, block=block, **how)
    assert made(torch.randn(2, 3, 8, 8)).shape == (2, made.channels, 4, 4)
    assert len(made) == 3
    assert len(level(shape, block=block, stem=True, **how)) == 4
