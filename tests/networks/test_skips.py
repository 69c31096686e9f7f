import numpy as np
import pytest
import torch
from monai.networks.nets.attentionunet import AttentionBlock
from torch import nn

from segkit.foundation.errors import UsageError
from segkit.networks import UNet
from segkit.networks.skips import AttentionGate, ResidualPath


def test_a_gate_by_hand():
    gate = AttentionGate(2, 2, 1, (2, 2))
    for parameter in gate.parameters():
        nn.init.constant_(parameter, 0.5)
    nn.init.constant_(gate.score.bias, -2.0)
    skip, coarse = torch.arange(8.0).reshape(1, 2, 2, 2), torch.tensor([[[[3.0]]]])
    # The skip's values sum up to 28, halved 14; the coarse voxel brings 0.5 x 3 + 0.5; the score is 0.5 x 16 - 2.
    assert torch.allclose(gate(skip, coarse), skip / (1 + np.exp(-6.0)))
    # Half a coarse voxel of -40 outweighs the rest: the rectifier gives 0, the score -2.
    assert torch.allclose(gate(skip, torch.tensor([[[[-40.0]]]])), skip / (1 + np.exp(2.0)))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_gate_at_one_size_is_monais(dims):
    ours, theirs = AttentionGate(dims, 4, 4, (1,) * dims), AttentionBlock(dims, f_int=2, f_g=4, f_l=4).eval()
    pairs = [(theirs.W_x, ours.of_skip), (theirs.W_g, ours.of_coarse), (theirs.psi, ours.score)]
    for sequence, own in pairs:
        monais = sequence[0].conv
        monais.weight.data.copy_(own.weight)
        monais.bias.data.copy_(own.bias.data if own.bias is not None else torch.zeros_like(monais.bias))
        sequence[1].eps = 0.0  # its batch norm, untrained, then changes nothing
    skip, coarse = torch.randn(2, 2, 4, *(6,) * dims)
    assert torch.allclose(ours(skip, coarse), theirs(coarse, skip), atol=1e-6)


@pytest.mark.parametrize("stride", [(2, 2, 1), (2, 1, 4)])
def test_a_gate_weighs_between_nothing_and_all(stride):
    gate, skip = AttentionGate(3, 3, 5, stride), torch.randn(2, 3, 8, 8, 8)
    weighed = gate(skip, torch.randn(2, 5, *(8 // step for step in stride)))
    assert weighed.shape == skip.shape
    share = weighed / skip
    assert share.min() > 0
    assert share.max() < 1
    assert torch.allclose(share[:, :1], share[:, 1:], rtol=1e-3)  # one weight for all channels of a voxel


def test_a_residual_path_by_its_formula():
    path = ResidualPath(2, 3, 4, (3, 3), length=2)
    skip = torch.randn(2, 3, 6, 6)
    made = skip

    def leaky(x):
        return torch.where(x > 0, x, 0.01 * x)

    def norm(x):
        return (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()

    for body, shortcut in zip(path.bodies, path.shortcuts, strict=True):
        wide = nn.functional.conv2d(made, body[0].weight, padding=1)
        made = leaky(leaky(norm(wide)) + norm(nn.functional.conv2d(made, shortcut[0].weight)))
    assert torch.allclose(path(skip, torch.empty(0)), made, atol=1e-5)


def test_paths_are_shorter_on_coarser_skips():
    levels = [[1, 1], *[[2, 2]] * 5]
    network = UNet(in_channels=1, out_channels=2, dims=2, features=[2] * 6, strides=levels, skips="residual_path")
    assert [len(path.bodies) for path in network.skips] == [1, 1, 2, 3, 4]  # coarsest first


def test_a_decoder_and_a_number_of_blocks_of_its_own():
    # nnU-Net's residual encoder in 2D, by hand: a stem, 1 and 2 blocks, a decoder of one plain convolution.
    network = UNet(
        in_channels=1, out_channels=5, dims=2, features=[2, 3], strides=[[1, 1], [2, 2]], block="residual",
        blocks=[1, 2], stem=True, decoder_block="plain", decoder_convolutions=1,
    )  # fmt: skip
    stem, first = 1 * 2 * 9 + 4, 2 * (2 * 2 * 9 + 4)
    second = (2 * 3 * 9 + 6) + (3 * 3 * 9 + 6) + (2 * 3 + 6) + 2 * (3 * 3 * 9 + 6)  # with its projected shortcut
    decoder, head = 3 * 2 * 4 + 2 + (4 * 2 * 9 + 4), 2 * 5 + 5
    assert sum(each.numel() for each in network.parameters()) == stem + first + second + decoder + head


def test_too_few_blocks_are_refused():
    with pytest.raises(UsageError, match=r"network\.blocks has 1 levels, the plan's strides 2"):
        UNet(in_channels=1, out_channels=2, dims=2, features=[2, 2], strides=[[1, 1], [2, 2]], blocks=[1])
