import subprocess
import sys
import types

import pytest
import torch
from monai.transforms import Transform
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.foundation.strangers import resolve_target

NETWORK = (torch.nn.Module,)


@pytest.mark.parametrize(
    ("target", "role"),
    [
        ("monai.networks.nets.UNet", torch.nn.Module),
        ("monai.networks.nets.DynUNet", torch.nn.Module),
        ("monai.networks.nets.SegResNet", torch.nn.Module),
        ("monai.networks.nets.SwinUNETR", torch.nn.Module),
        ("monai.networks.nets.flexible_unet.FlexibleUNet", torch.nn.Module),
        ("monai.losses.DiceCELoss", torch.nn.Module),
        ("torch.nn.CrossEntropyLoss", torch.nn.Module),
        ("torch.optim.AdamW", Optimizer),
        ("torch.optim.lr_scheduler.OneCycleLR", LRScheduler),
        ("torch.optim.lr_scheduler.CyclicLR", LRScheduler),
        ("monai.transforms.ScaleIntensityRanged", Transform),
        ("monai.transforms.RandAffined", Transform),
        ("monai.transforms.RandGaussianNoised", Transform),
    ],
)
def test_what_shared_models_are_made_of_is_found(target, role):
    found = resolve_target(target, roles=(role,), slot="network")
    assert isinstance(found, type)
    assert found.__name__ == target.rsplit(".", 1)[1]


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.getattr",
        "builtins.eval",
        "logging.os.system",
        "functools.partial",
        "subprocess.Popen",
        "pickle.Unpickler",
        "hydra.utils.instantiate",
        "torchvision.models.ResNet",
        "antigravity.fly",
    ],
)
def test_other_packages_are_refused_before_they_are_imported(target):
    with pytest.raises(UsageError, match=rf"^network: {target} comes from the package \w+; .* trust=\[\w+\]$"):
        resolve_target(target, roles=(object,), slot="network")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "target",
    [
        "monai.utils.run_cmd",
        "monai.networks.nets.unet.warnings.warn",
        "torch.os.system",
        "torch.nn.modules.module.functools.partial",
        "torch.nn.modules.module.OrderedDict",
        "torch.hub.load",
        "torch.load",
        "torch.nn.Linear.forward",
        "torch.nn.functional.relu",
        "torch.nn",
        "torch.float32",
        "torch.version.cuda.lower",
        "torch.NoSuchThing",
        "torch.no.such.module",
        "torch.utils.data.DataLoader",
        "torch.nn.Module.__init__.__globals__",
        "torch._utils.Any",
        "torch",
        "",
        ".torch.nn",
        "torch..nn",
        "torch.nn.Linear\n",
        "torch.nn.Linear()",
        None,
        7,
    ],
)
def test_what_is_no_class_of_an_allowed_package_is_refused_in_one_line(target):
    with pytest.raises(DataError, match=r"^network: ") as caught:
        resolve_target(target, roles=(object,), slot="network")
    assert "\n" not in str(caught.value)


def test_a_class_of_another_role_is_refused():
    with pytest.raises(
        DataError, match=r"loss: torch\.optim\.SGD is not a class of the kind that belongs there \(Module\)"
    ):
        resolve_target("torch.optim.SGD", roles=NETWORK, slot="loss")


def test_an_alias_of_a_foreign_class_is_refused(monkeypatch):
    foreign = type("Foreign", (torch.nn.Module,), {"__module__": "foreign.nets"})
    monkeypatch.setattr(torch.nn, "Foreign", foreign, raising=False)
    with pytest.raises(
        DataError, match=r"torch\.nn\.Foreign is defined in foreign\.nets, outside the allowed packages"
    ):
        resolve_target("torch.nn.Foreign", roles=NETWORK, slot="network")
    with pytest.raises(DataError, match="outside the allowed packages"):
        resolve_target("torch.nn.Foreign.Inner", roles=NETWORK, slot="network")
    assert resolve_target("torch.nn.Foreign", roles=NETWORK, trust=["foreign"], slot="network") is foreign


def test_a_trusted_package_is_allowed_wholly(monkeypatch):
    package = types.ModuleType("my_package")
    package.Net = type("Net", (torch.nn.Module,), {"__module__": "my_package"})
    monkeypatch.setitem(sys.modules, "my_package", package)
    assert resolve_target("my_package.Net", roles=NETWORK, trust=["my_package"], slot="network") is package.Net
    with pytest.raises(UsageError):
        resolve_target("my_package.Net", roles=NETWORK, slot="network")


@pytest.mark.parametrize(
    ("target", "role"),
    [
        ("monai.transforms.LoadImaged", Transform),
        ("monai.transforms.SaveImage", Transform),
        ("monai.transforms.SaveClassificationd", Transform),
        ("monai.transforms.WriteFileMapping", Transform),
        ("monai.transforms.Lambda", Transform),
        ("monai.transforms.Lambdad", Transform),
        ("monai.transforms.RandLambda", Transform),
        ("monai.transforms.TorchVision", Transform),
        ("monai.transforms.RandTorchIOd", Transform),
        ("torch.optim.lr_scheduler.LambdaLR", LRScheduler),
        ("torch.optim.lr_scheduler.MultiplicativeLR", LRScheduler),
        ("monai.losses.MaskedLoss", torch.nn.Module),
        ("monai.losses.PerceptualLoss", torch.nn.Module),
        ("monai.networks.nets.EfficientNetBN", torch.nn.Module),
        ("monai.networks.nets.Transchex", torch.nn.Module),
        ("torch.fx.GraphModule", torch.nn.Module),
        ("torch.jit.ScriptModule", torch.nn.Module),
        ("torch.nn.parallel.DistributedDataParallel", torch.nn.Module),
    ],
)
def test_doors_to_files_the_network_and_functions_stay_shut(target, role):
    with pytest.raises(DataError, match=f"^slot: {target} "):
        resolve_target(target, roles=(role,), slot="slot")


@pytest.mark.parametrize(
    ("target", "arguments", "reason"),
    [
        ("FlexibleUNet", {"pretrained": True}, "would read or download through pretrained=True"),
        ("HoVerNet", {"pretrained_url": "http://x"}, "would read or download through pretrained_url='http://x'"),
        ("UNet", {"act": {"_target_": "os.system"}}, "takes plain named arguments only"),
        ("UNet", {"strides": [[{"deep": {"_target_": "torch.nn.ReLU"}}]]}, "takes plain named arguments only"),
        ("UNet", {"_args_": [3]}, "takes plain named arguments only"),
    ],
)
def test_arguments_open_no_door(target, arguments, reason):
    target = f"monai.networks.nets.{target}"
    with pytest.raises(DataError, match=reason):
        resolve_target(target, roles=NETWORK, slot="network", arguments=arguments)
    assert resolve_target(target, roles=NETWORK, slot="network", arguments=arguments, trust=["monai"])


def test_plain_arguments_pass():
    arguments = {"channels": [8, 16], "pretrained": False, "norm": ("GROUP", {"num_groups": 4}), "drop_path": 0.1}
    assert resolve_target("monai.networks.nets.FlexibleUNet", roles=NETWORK, slot="network", arguments=arguments)


def test_a_module_that_fails_to_import_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text("raise RuntimeError('first\\nsecond')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SegkitError, match=r"broken_package\.Net cannot be found: first second"):
        resolve_target("broken_package.Net", roles=NETWORK, trust=["broken_package"], slot="network")


def test_the_foundation_imports_nothing_heavy():
    names = "errors files locks hashing counted durations parallel console machine plain targets strangers"
    code = ";".join(f"import segkit.foundation.{name}" for name in names.split())
    code += ";import sys; print({'numpy', 'torch', 'monai', 'rich', 'yaml', 'psutil', 'filelock'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "set()\n"
