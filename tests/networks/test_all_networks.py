"""Every network of conf/network, held to one contract."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from segkit.config.compose import configure
from segkit.config.plan import Normalisation, Plan
from segkit.config.targets import check_own_targets, check_signatures
from segkit.networks.activations import footprint
from segkit.networks.building import build_network, check_network, check_size, network_arguments
from segkit.preparation.pyramid import fixed_pyramid

NAMES = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "network").glob("*.yaml"))
FIXED = {"segresnet": 3, "unetr": 4, "swin_unetr": 5, "mednext": 4}  # halvings of every axis, whatever the plan
DEEP = [name for name in NAMES if "unet" in name and name != "monai_attention_unet" and "unetr" not in name]
SMALL = {  # the shipped sizes would take minutes
    "segresnet": ["init_filters=8", "blocks_down=[1,1,1,1]"],
    "unetr": ["feature_size=4", "hidden_size=24", "mlp_dim=24", "num_heads=2"],
    "swin_unetr": ["feature_size=12", "num_heads=[1,2,2,2]", "depths=[1,1,1,1]"],
    "mednext": ["init_filters=4", "blocks_down=[1,1,1,1]", "blocks_up=[1,1,1,1]"],
}
CASES = [(name, dims) for name in NAMES for dims in (2, 3)]


def options(name, *more):
    """Compose a network's yaml, small."""
    small = SMALL.get(name, ["features=[4,8,8]"])
    words = [f"network.{word}" for word in (*small, *more)]
    return configure("train", [f"network={name}", "data=phantom_ct", "data.root=.", "training.steps=1", *words])


def plan_for(name, dims):
    """Plan a small patch; where the plan's strides count, an anisotropic one."""
    halvings = FIXED.get(name)
    strides = ((1,) * dims, (2,) * dims, (2, 1, 2)[:dims])
    kernels = ((1, 3, 3)[:dims], (3,) * dims, (3,) * dims)
    sizes = (16, 8, 12)
    if halvings is not None:
        pyramid, multiple = fixed_pyramid(dims, halvings), 2**halvings
        strides, kernels, sizes = pyramid.strides, pyramid.kernels, (2 * multiple, multiple, multiple)
    return Plan(
        dims=dims,
        orientation="RAS",
        spacing=(1.0, 1.0, 1.0),
        patch=sizes if dims == 3 else (*sizes[:2], 1),
        batch=2,
        strides=strides,
        kernels=kernels,
        normalisation={"photo": Normalisation("none"), "depth": Normalisation("none")},
    )


def built(name, dims, *more):
    torch.manual_seed(0)
    plan = plan_for(name, dims)
    arguments = network_arguments(options(name, *more).network, plan, out_channels=3)
    check_network(arguments, [])  # as it does out of a model file
    network = build_network(arguments)
    check_size(arguments, network.state_dict())
    return network, plan.network_patch


def test_what_there_is():
    assert set(FIXED) < set(NAMES)
    assert len(NAMES) == 13


@pytest.mark.parametrize("name", NAMES)
def test_its_yaml_passes_the_checks_and_opens_with_what_it_is_for(name):
    check_own_targets(options(name))
    check_signatures(options(name))
    text = (Path(__file__).parents[2] / "conf" / "network" / f"{name}.yaml").read_text()
    assert text.startswith("# ")


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_the_contract(name, dims):
    network, size = built(name, dims)
    image = torch.randn(2, 2, *size)
    outputs = network(image)
    assert outputs.shape == (2, 3, *size)
    outputs.square().mean().backward()
    idle = [key for key, each in network.named_parameters() if each.requires_grad and each.grad is None]
    assert idle == []
    network.eval()
    with torch.inference_mode():
        first, again = network(image), network(image)
    assert torch.equal(first, again)
    twin = built(name, dims)[0].eval()
    with torch.no_grad():
        for each in twin.parameters():
            each.add_(1)
    twin.load_state_dict(network.state_dict())
    with torch.inference_mode():
        assert torch.equal(twin(image), first)


@pytest.mark.parametrize("name", [*DEEP, "mednext"])
@pytest.mark.parametrize("dims", [2, 3])
def test_deep_supervision_returns_coarser_logits_finest_first(name, dims):
    network, size = built(name, dims, "deep_supervision=true")
    image = torch.randn(2, 2, *size)
    outputs = network(image)
    assert isinstance(outputs, list)
    assert [tuple(output.shape[:2]) for output in outputs] == [(2, 3)] * len(outputs)
    shapes = [tuple(output.shape[2:]) for output in outputs]
    assert shapes[0] == size
    assert shapes[1] == tuple(length // 2 for length in size)
    assert len(shapes) == (5 if name == "mednext" else 2)
    sum(output.square().mean() for output in outputs).backward()
    assert [key for key, each in network.named_parameters() if each.grad is None] == []
    copy.deepcopy(network)  # as the running average of weights does
    with torch.inference_mode():
        assert network.eval()(image).shape == (2, 3, *size)


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_it_learns_a_batch(name, dims):
    network, size = built(name, dims)
    image = torch.randn(2, 2, *size)
    target = (image[:, 0] > 0).long()
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(8):
        loss = functional.cross_entropy(network(image), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-2:]) < 0.9 * losses[0]


@pytest.mark.parametrize(("name", "dims"), CASES)
def test_its_memory_is_counted_without_numbers(name, dims):
    plan = plan_for(name, dims)

    def build():
        return build_network(network_arguments(options(name).network, plan, out_channels=3))

    found = footprint(build, 2, plan.network_patch, torch.float32)
    assert found.logits == 3 * found.voxels
    assert found.parameters == sum(each.numel() for each in build().parameters())
    assert found.kept > 4 * found.voxels


def test_arguments_of_the_plan_reach_monais_networks():
    plan = plan_for("dynunet", 3)
    arguments = network_arguments(options("dynunet").network, plan, out_channels=3)
    network = build_network(arguments).network
    assert network.strides == [[1, 1, 1], [2, 2, 2], [2, 1, 2]]
    assert network.kernel_size == [[1, 3, 3], [3, 3, 3], [3, 3, 3]]
    assert network_arguments(options("unetr").network, plan_for("unetr", 2), out_channels=3)["patch"] == [32, 16]
    assert "patch" not in network_arguments(options("unet").network, replace(plan, patch=(7, 7, 7)), out_channels=3)
