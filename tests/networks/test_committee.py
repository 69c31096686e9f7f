import pytest
import torch

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError, UsageError
from segkit.networks.building import build_network, check_network, check_size, initial_network, network_arguments
from segkit.networks.committee import Committee, in_turn, members_of, shared_out, without_member
from segkit.training.losses import Dice, supervised

ONE = {
    "_target_": "segkit.networks.UNet", "in_channels": 1, "out_channels": 2, "dims": 3, "features": [4, 8],
    "strides": [[1, 1, 1], [2, 2, 2]], "kernels": [[3, 3, 3], [3, 3, 3]],
}  # fmt: skip


def committee(members, **changes):
    arguments = {
        "_target_": "segkit.networks.committee.Committee",
        "members": members,
        "network": {**ONE, **changes},
    }
    return initial_network(arguments, seed=1)


@pytest.fixture
def images():
    return torch.randn((6, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))


def test_prediction_is_the_mean_of_members_that_differ(images):
    network = committee(3).eval()
    alone = torch.stack([member(images) for member in network.members])
    torch.testing.assert_close(network(images), alone.mean(0))
    assert not torch.allclose(alone[0], alone[1])


def test_members_take_turns_over_the_samples_of_a_batch(images):
    network = committee(3).train()
    outputs = network(images)
    for index, member in enumerate(network.members):
        torch.testing.assert_close(outputs[index::3], member(images[index::3]))


def test_outputs_in_turn():
    first, second = torch.tensor([[1.0], [2.0]]), torch.tensor([[10.0], [20.0]])
    assert in_turn([first, second]).flatten().tolist() == [1, 10, 2, 20]


@pytest.mark.parametrize("changes", [{}, {"deep_supervision": True}])
def test_a_member_learns_as_if_it_were_alone_with_its_samples(images, changes):
    network, loss = committee(2, **changes).train(), Dice()  # of a whole batch, not a mean over samples
    target = (images[:, 0] > 0.5).long()
    shares = shared_out(network(images), target, members_of(network))
    torch.stack([supervised(loss, *share) for share in shares]).mean().backward()
    for index, member in enumerate(network.members):
        found = [parameter.grad.clone() for parameter in member.parameters()]
        member.zero_grad()
        supervised(loss, member(images[index::2]), target[index::2]).backward()
        for got, parameter in zip(found, member.parameters(), strict=True):
            torch.testing.assert_close(got, parameter.grad, rtol=1e-4, atol=1e-6)


def test_deeply_supervised_members(images):
    network = committee(2, deep_supervision=True, features=[4, 8, 8], strides=[[1] * 3, [2] * 3, [2] * 3],
                        kernels=[[3] * 3] * 3).train()  # fmt: skip
    fine, coarse = network(images)
    assert fine.shape == (6, 2, 8, 8, 8)
    assert coarse.shape == (6, 2, 4, 4, 4)


def test_a_batch_that_cannot_be_shared(images):
    with pytest.raises(UsageError, match="6 patches at once cannot be shared among 4 networks"):
        committee(4).train()(images)


@pytest.mark.parametrize("members", [0, 33])
def test_too_few_or_too_many(members):
    with pytest.raises(UsageError, match="1 to 32"):
        Committee(members=members, network=ONE)


def test_the_plan_says_how_many():
    channel = {"MR": Normalisation("zscore")}
    plan = Plan(
        3, "RAS", (1.0,) * 3, (8, 8, 8), 6, ((1,) * 3, (2,) * 3), ((3,) * 3,) * 2, channel, members=3
    )  # fmt: skip
    arguments = network_arguments({"_target_": "segkit.networks.UNet", "features": [4, 8]}, plan, out_channels=2)
    network = build_network(arguments)
    assert isinstance(network, Committee)
    assert len(network.members) == 3
    check_network(arguments, [])
    check_size(arguments, network.state_dict())


@pytest.mark.parametrize(
    ("inner", "refused"),
    [
        ({"_target_": "os.system", "command": "true"}, UsageError),
        ({"_target_": "monai.utils.run_cmd"}, DataError),
        ({"_target_": "segkit.networks.committee.Committee", "network": {"_target_": "os.system"}}, UsageError),
    ],
)
def test_what_a_stranger_hides_in_a_committee_is_refused(inner, refused):
    arguments = {"_target_": "segkit.networks.committee.Committee", "members": 2, "network": inner}
    with pytest.raises(refused):
        check_network(arguments, [])


def test_a_weight_is_called_as_in_one_network():
    assert without_member("members.11.encoder.0.weight") == "encoder.0.weight"
    assert without_member("encoder.members.0.weight") == "encoder.members.0.weight"
    names = {without_member(name) for name, _ in committee(2).named_parameters()}
    assert names == {name for name, _ in build_network(ONE).named_parameters()}
