from itertools import product

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import nn

from segkit.foundation.errors import UsageError
from segkit.networks import UNet
from segkit.networks.blocks import BLOCKS

SIZES = {2: (16, 24), 3: (8, 16, 8)}
STRIDES = {2: [[1, 1], [2, 2], [2, 1]], 3: [[1, 1, 1], [2, 2, 1], [2, 2, 2]]}
KINDS = [{"block": block} for block in BLOCKS] + [{"skips": skips} for skips in ("attention", "residual_path")]
FAMILY = list(product(KINDS, ["strided", "max", "average"], [2, 3], [False, True]))


def unet(dims=3, **changes):
    arguments = {"in_channels": 2, "out_channels": 3, "dims": dims, "features": [4, 6, 8], "strides": STRIDES[dims]}
    return UNet(**{**arguments, **changes})


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("kind", "pool", "dims", "deep"), FAMILY)
def test_shapes_and_gradients_of_the_family(kind, pool, dims, deep):
    network = unet(dims, **kind, pool=pool, deep_supervision=deep)
    size = SIZES[dims]
    image = torch.randn(2, 2, *size)
    outputs = network(image)
    if deep:
        coarser = tuple(length // stride for length, stride in zip(size, STRIDES[dims][1], strict=True))
        assert [tuple(output.shape) for output in outputs] == [(2, 3, *size), (2, 3, *coarser)]
        loss = sum(output.square().mean() for output in outputs)
    else:
        assert outputs.shape == (2, 3, *size)
        loss = outputs.square().mean()
    loss.backward()
    idle = [name for name, each in network.named_parameters() if each.grad is None or not each.grad.abs().sum() > 0]
    assert idle == []
    network.eval()
    with torch.inference_mode():
        assert network(image).shape == (2, 3, *size)


def test_parameters_by_hand():
    # 2D, features 2 and 3, kernels 3x3, no bias in blocks, scale and shift in each norm.
    encoder = (1 * 2 * 9 + 4) + (2 * 2 * 9 + 4) + (2 * 3 * 9 + 6) + (3 * 3 * 9 + 6)
    upsampling = 3 * 2 * 2 * 2 + 2
    decoder = (4 * 2 * 9 + 4) + (2 * 2 * 9 + 4)
    head = 2 * 5 + 5
    network = unet(2, in_channels=1, out_channels=5, features=[2, 3], strides=[[1, 1], [2, 2]])
    assert parameters(network) == encoder + upsampling + decoder + head == 366


def test_as_many_parameters_as_monais_dynunet():
    ours = unet()
    theirs = DynUNet(
        3, 2, 3, kernel_size=[[3, 3, 3]] * 3, strides=STRIDES[3], filters=[4, 6, 8],
        upsample_kernel_size=STRIDES[3][1:], norm_name=("INSTANCE", {"affine": True}), trans_bias=True,
    )  # fmt: skip
    assert parameters(ours) == parameters(theirs)


@pytest.mark.parametrize("kernels", [[[1, 3, 5], [3, 3, 3], [5, 1, 7]], [[1, 1, 1]] * 3, None])
def test_any_odd_kernels_keep_the_size(kernels):
    for block in ("plain", "residual"):
        assert unet(kernels=kernels, block=block)(torch.randn(1, 2, 8, 16, 8)).shape == (1, 3, 8, 16, 8)


def test_levels_beyond_the_strides_are_not_built():
    assert parameters(unet(features=[4, 6, 8, 16, 320])) == parameters(unet())


@pytest.mark.parametrize("deep", [False, True])
def test_one_level_is_a_block_and_a_head(deep):
    network = unet(features=[4], strides=[[1, 1, 1]], deep_supervision=deep)
    assert network(torch.randn(1, 2, 5, 6, 7)).shape == (1, 3, 5, 6, 7)


def test_too_few_features_are_refused():
    with pytest.raises(UsageError, match=r"network\.features has 2 levels, the plan's strides 3"):
        unet(features=[4, 6])


@pytest.mark.parametrize("kernels", [[[3, 3, 3]] * 2, [[3, 3, 3]] * 4, [[3, 3, 3], [3, 2, 3], [3, 3, 3]]])
def test_kernels_that_do_not_fit_are_refused(kernels):
    with pytest.raises(UsageError, match=r"network\.kernels"):
        unet(kernels=kernels)


def test_convolutions_per_block_add_up():
    extra = [9 * c * c * 3 + 2 * c for c in (4, 6, 8, 6, 4)]  # one more 3x3x3 convolution and norm in each block
    assert parameters(unet(convolutions=3)) - parameters(unet()) == sum(extra)


def test_dropout_draws_in_training_only():
    network, image = unet(dropout=0.5), torch.randn(1, 2, 8, 16, 8)
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))
    assert parameters(network) == parameters(unet())


def test_skips_join_equal_sizes_where_an_axis_stays():
    flat = unet(strides=[[1, 1, 1], [2, 2, 1], [2, 2, 1]])
    assert flat(torch.randn(1, 2, 8, 8, 1)).shape == (1, 3, 8, 8, 1)


def test_weights_begin_as_he_et_al_draw_them():
    torch.manual_seed(0)
    network = unet(features=[64, 64, 64])
    convolution = network.encoder[1][0][3]
    assert convolution.weight.std().item() == pytest.approx((2 / (1 + 0.01**2) / (64 * 27)) ** 0.5, rel=0.05)
    assert not network.heads[-1].bias.any()
