"""`_target_`s and what stands beside them."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import pytest

from segkit.config.targets import check_own_targets, check_signatures, import_target, targets
from segkit.foundation.errors import UsageError


@dataclass
class Config:
    network: dict[str, Any]
    transforms: list[Any] = dataclasses.field(default_factory=list)


def unet(**changes: Any) -> dict[str, Any]:
    return {"_target_": "segkit.networks.UNet", "features": [8, 16], **changes}


def refusal(check: Any, config: Config) -> str:
    with pytest.raises(UsageError) as caught:
        check(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_segkit_passes_itself_may_be_missing_or_given():
    check_own_targets(Config(unet()))
    check_own_targets(Config(unet(strides=[[1, 1], [2, 2]])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": ["a"]}, "network.features: [a] is not a list of integers"),
        ({"featurs": [8]}, "network.featurs is not a parameter of segkit.networks.UNet; did you mean features?"),
        ({"block": "residul"}, "network.block: residul is not plain or residual"),
        (
            {"_target_": "segkit.networks.UNett"},
            "network._target_: segkit.networks.UNett: segkit.networks has no UNett",
        ),
        ({"_target_": "UNet"}, "network._target_: UNet is not the dotted path of a class or function"),
    ],
)
def test_own_targets_are_checked_from_source(change, message):
    assert refusal(check_own_targets, Config(unet(**change))).startswith(message)


def test_a_parameter_that_must_be_given():
    message = refusal(check_own_targets, Config({"_target_": "segkit.networks.DynUNet"}))
    assert message == "network.features is not set, and segkit.networks.DynUNet needs it: pass +network.features=VALUE"


def test_targets_of_others_wait_for_the_import():
    config = Config({"_target_": "torch.optim.AdamW", "lrr": 1})
    check_own_targets(config)
    assert "network.lrr is not a parameter of torch.optim.AdamW; did you mean lr?" in refusal(check_signatures, config)


def test_lists_of_targets_are_walked():
    node = {"_target_": "statistics.NormalDist", "mu": 0.0, "inner": [{"_target_": "a.b"}]}
    assert [key for key, _ in targets({"transforms": [1, node]})] == ["transforms.1", "transforms.1.inner.0"]


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text(
        "class Net:\n    def __init__(self, width: int, names: list[str] | None = None): ...\n"
        "def loose(**anything): ...\nclass Odd:\n    def __init__(self, x: 'Missing'): ...\nNUMBER = 3\n"
    )
    (tmp_path / "my_broken.py").write_text("1 / 0\n")
    (tmp_path / "my_needy.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"_target_": "my_parts.Net", "width": "wide"}, "network.width: wide is not an integer"),
        ({"_target_": "my_parts.Net"}, "network.width is not set, and my_parts.Net needs it"),
        ({"_target_": "my_parts.Nett"}, "network._target_: my_parts.Nett: my_parts has no Nett; did you mean Net?"),
        ({"_target_": "my_parts.NUMBER"}, "network._target_: my_parts.NUMBER: it is neither a class nor a function"),
        ({"_target_": "no_package.Net"}, "network._target_: no_package.Net: there is no package no_package"),
        (
            {"_target_": "my_broken.Net"},
            "network._target_: my_broken.Net: importing my_broken failed: ZeroDivisionError",
        ),
        ({"_target_": "my_needy.Net"}, "network._target_: my_needy.Net: importing my_needy failed: No module named"),
    ],
)
def test_the_users_own_targets(own_module, network, message):
    assert refusal(check_signatures, Config(network)).startswith(message)


def test_what_cannot_be_known_passes(own_module):
    check_signatures(Config({"_target_": "my_parts.loose", "any": 1}))
    check_signatures(Config({"_target_": "my_parts.Odd", "x": 1}))
    check_signatures(Config({"_target_": "my_parts.Net", "width": 3, "names": ["a"]}))


def test_nested_names_are_imported():
    assert import_target("collections.OrderedDict.fromkeys")("ab") == {"a": None, "b": None}


def test_every_target_of_the_shipped_configs_takes_its_arguments(monkeypatch):
    from segkit.config.compose import configure

    for words in (["optimizer=sgd", "schedule=polynomial"], ["network=residual_unet"]):
        check_signatures(configure("train", ["data=paired", "data.root=.", "training.steps=1", *words]))
