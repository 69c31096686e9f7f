import pytest
import torch

from segkit.foundation.errors import UsageError
from segkit.networks.committee import Committee
from segkit.networks.unet import UNet
from segkit.training.fine_tuning import factor_of, freeze, set_rates, trainable
from segkit.training.optimizers import Muon


@pytest.fixture
def network():
    return UNet(in_channels=1, out_channels=2, dims=3, strides=[[1] * 3, [2] * 3], features=[4, 8])


def one_step(network, optimizer):
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    network(torch.ones(1, 1, 8, 8, 8)).square().mean().backward()
    optimizer.step()
    return {name: (parameter - before[name]).abs().max().item() for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("make", [lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), lambda p: Muon(p, 0.1)])
def test_frozen_weights_stay_and_the_others_move(network, make):
    freeze(network, ["encoder.*"])
    moved = one_step(network, make(trainable(network)))
    assert all(moved[name] == 0 for name in moved if name.startswith("encoder."))
    assert moved["heads.0.weight"] > 0


def test_rates_are_factors_on_that_of_each_group(network):
    optimizer = torch.optim.SGD(trainable(network), 0.5)
    plain = one_step(network, torch.optim.SGD(trainable(network), 0.5))
    for parameter in network.parameters():
        parameter.grad = None
    with torch.no_grad():  # back to where it was
        for parameter in network.parameters():
            parameter.zero_()
    set_rates(optimizer, network, {"encoder.0.*": 0.0, "encoder.*": 0.5})
    assert sorted(group["lr"] for group in optimizer.param_groups) == [0.0, 0.25, 0.5]
    held = sum(len(group["params"]) for group in optimizer.param_groups)
    assert held == len(list(network.parameters()))
    assert plain["heads.0.weight"] > 0


def test_muons_groups_stay_apart(network):
    optimizer = Muon(trainable(network), 0.1)
    set_rates(optimizer, network, {"decoder.*": 0.1})
    kinds = {(group["orthogonal"], round(group["lr"], 3)) for group in optimizer.param_groups}
    assert kinds == {(True, 0.1), (True, 0.01), (False, 0.1), (False, 0.01)}
    one_step(network, optimizer)


def test_the_first_pattern_counts():
    assert factor_of("encoder.0.weight", {"encoder.0.*": 0.1, "*": 0.5}) == 0.1
    assert factor_of("decoder.0.weight", {"encoder.*": 0.1}) == 1.0


@pytest.mark.parametrize(
    ("patterns", "said"), [(["encodr.*"], r"there are encoder\.0\.\*"), (["*"], "no weight is left to learn")]
)
def test_mistakes_are_told(network, patterns, said):
    with pytest.raises(UsageError, match=said):
        freeze(network, patterns)


def test_patterns_mean_each_member_of_a_committee():
    one = {"_target_": "segkit.networks.UNet", "in_channels": 1, "out_channels": 2, "dims": 2, "features": [2, 4]}
    committee = Committee(members=2, network={**one, "strides": [[1, 1], [2, 2]]})
    freeze(committee, ["encoder.0.*"])
    for member in committee.members:
        frozen = {name for name, each in member.named_parameters() if not each.requires_grad}
        assert frozen == {name for name, _ in member.named_parameters() if name.startswith("encoder.0.")}
    optimizer = torch.optim.SGD(trainable(committee), lr=1.0)
    set_rates(optimizer, committee, {"heads.*": 0.1})
    slow = [each for group in optimizer.param_groups if group["lr"] == 0.1 for each in group["params"]]
    assert len(slow) == sum(1 for member in committee.members for _ in member.heads.parameters())
