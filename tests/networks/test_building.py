import pytest
import torch
from torch import nn

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError, UsageError
from segkit.networks import UNet
from segkit.networks.building import build_network, check_network, check_size, network_arguments

PLAN = Plan(
    dims=2,
    orientation=None,
    spacing=(1.0, 1.0, None),
    patch=(16, 16, 1),
    batch=2,
    strides=((1, 1), (2, 2)),
    kernels=((3, 3), (3, 1)),
    normalisation={"photo": Normalisation("unit", width=3), "depth": Normalisation("none")},
)
OURS = {"_target_": "segkit.networks.UNet", "features": [4, 8]}
MONAIS = {"_target_": "monai.networks.nets.BasicUNet", "features": [4, 4, 8, 8, 8, 4]}


def test_the_plan_fills_in_what_the_network_takes():
    assert network_arguments(OURS, PLAN, out_channels=3) == {
        **OURS,
        "in_channels": 4,
        "out_channels": 3,
        "dims": 2,
        "strides": [[1, 1], [2, 2]],
        "kernels": [[3, 3], [3, 1]],
    }
    assert network_arguments(MONAIS, PLAN, out_channels=3) == {
        **MONAIS, "in_channels": 4, "out_channels": 3, "spatial_dims": 2,
    }  # fmt: skip


def test_what_the_yaml_says_wins():
    assert network_arguments({**OURS, "kernels": [[5, 5], [5, 5]]}, PLAN, out_channels=3)["kernels"] == [[5, 5]] * 2


@pytest.mark.parametrize("network", [OURS, MONAIS], ids=["segkit", "monai"])
def test_the_network_is_built_and_runs(network):
    built = build_network(network_arguments(network, PLAN, out_channels=3))
    assert built(torch.randn(1, 4, 32, 32)).shape == (1, 3, 32, 32)


def test_arguments_are_plain_values(tmp_path):
    built = build_network(
        {"_target_": "torch.nn.Identity", "anything": {"_target_": "pathlib.Path.touch", "self": str(tmp_path / "x")}}
    )
    assert isinstance(built, nn.Identity)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "wrong", [{"colour": 1}, {"block": "wide"}, {"pool": "min"}, {"dims": 4}, {"strides": None}, {"features": "many"}]
)
def test_arguments_that_do_not_fit_are_said_in_one_line(wrong):
    arguments = {**network_arguments(OURS, PLAN, out_channels=3), **wrong}
    with pytest.raises(UsageError, match=r"network: segkit\.networks\.UNet cannot be built") as refused:
        build_network(arguments)
    assert "\n" not in str(refused.value)


def test_networks_of_allowed_packages_pass_the_check():
    check_network(network_arguments(OURS, PLAN, out_channels=3), [])
    check_network(network_arguments(MONAIS, PLAN, out_channels=3), [])
    check_network({"_target_": f"{UNet.__module__}.UNet"}, [])


@pytest.mark.parametrize(
    "attack",
    [
        {"_target_": "torch.hub.load", "repo_or_dir": "stranger/repo"},
        {"_target_": "torch.load", "f": "weights.pt"},
        {"_target_": "torch.jit.ScriptModule"},
        {"_target_": "torch.optim.SGD"},
        {"_target_": "segkit.networks.building.build_network"},
        {"_target_": "segkit.networks.building.get_class"},
        {"_target_": "segkit.networks.unet.nn.Module.__init__"},
        {"_target_": "monai.networks.nets.SegResNet", "weights": "https://example.org/x"},
        {"_target_": "monai.networks.nets.resnet50", "pretrained": True},
        {"_target_": "monai.networks.nets.ResNetFeatures", "model_name": "resnet10", "pretrained": True},
        {"_target_": "monai.transforms.SaveImage"},
        {**OURS, "features": [{"_target_": "os.system", "command": "true"}]},
        {"_target_": "segkit"},
        {"_target_": ""},
        {},
    ],
    ids=str,
)
def test_a_strangers_door_is_shut(attack):
    with pytest.raises(DataError, match="network"):
        check_network(attack, [])


@pytest.mark.parametrize("target", ["os.system", "builtins.getattr", "subprocess.run", "stranger.Net"])
def test_a_package_that_is_not_trusted_is_not_imported(target, monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(UsageError, match=r"if you trust it, say trust=\["):
        check_network({"_target_": target}, [])


def test_a_trusted_package_may_bring_its_network(tmp_path, monkeypatch):
    (tmp_path / "trusted_example.py").write_text(
        "from torch import nn\nclass Net(nn.Module): pass\nclass Other: pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    check_network({"_target_": "trusted_example.Net"}, ["trusted_example"])
    with pytest.raises(DataError, match="not a class of the kind"):
        check_network({"_target_": "trusted_example.Other"}, ["trusted_example"])


def test_a_network_larger_than_its_weights_is_refused_before_it_takes_memory():
    arguments = {
        "_target_": "segkit.networks.UNet", "in_channels": 1, "out_channels": 2, "dims": 2, "features": [4, 8],
        "strides": [[1, 1], [2, 2]],
    }  # fmt: skip
    weights = build_network(arguments).state_dict()
    check_size(arguments, weights)
    with pytest.raises(DataError, match=r"UNet would have \d{13,} parameters, and the weights hold \d+"):
        check_size({**arguments, "features": [1_000_000, 1_000_000]}, weights)
