"""Every class of MONAI and PyTorch that a stranger's config may name, looked through for doors nobody thought of."""

import importlib
import inspect
import io
import pkgutil
import re
import tokenize
import warnings
from collections.abc import Iterator

import pytest
import torch
from monai.transforms import Transform

from segkit.foundation.errors import DataError, SegkitError
from segkit.foundation.strangers import resolve_target

# What source code says where it reaches the network, files, other processes, or a function that it is told the name of.
DOOR = re.compile(
    r"\b(hub\s*\.\s*load|load_state_dict_from_url|\w*download\w*|urlopen|urlretrieve|subprocess|run_cmd|run_debug|"
    r"torch\s*\.\s*(load|save)|np\s*\.\s*(load|save)|tofile|imwrite|pickle|import_module|__import__|locate|os\s*\.\s*system|"
    r"makedirs|mkdir|open|exec|getattr \( models)\b"
)
PACKAGES = ("monai.transforms", "monai.losses", "monai.networks", "torch.nn", "torch.optim")
# Looked at: what is named there is no door of the constructor or of a call.
HARMLESS = {
    "monai.networks.nets.transchex.BertPreTrainedModel": "from_pretrained, which nobody calls",
}


def classes(package: str, role: type) -> Iterator[tuple[str, type]]:
    """Yield every class of a package that fits a role, each once, with a path to it."""
    top, seen = importlib.import_module(package), set()
    names = [package, *(module.name for module in pkgutil.walk_packages(top.__path__, f"{package}."))]
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception:  # noqa: BLE001  (what cannot be imported here cannot be named here)
            continue
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, role) and found.__module__ == name and found not in seen:
                seen.add(found)
                yield f"{package if hasattr(top, found.__name__) else name}.{found.__name__}", found


def code_of(found: type) -> str:
    """Return the source of a class as words, without comments and texts."""
    try:
        source = inspect.getsource(found)
    except (OSError, TypeError):
        return ""
    words = tokenize.generate_tokens(io.StringIO(inspect.cleandoc(source) + "\n").readline)
    return " ".join(word.string for word in words if word.type in (tokenize.NAME, tokenize.OP))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_class_that_passes_the_gate_holds_a_door(package):
    role = {"monai.transforms": Transform, "torch.optim": torch.optim.Optimizer}.get(package, torch.nn.Module)
    passed, doors = 0, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for target, found in classes(package, role):
            try:
                resolve_target(target, roles=(role,), slot="slot")
            except SegkitError:
                continue
            passed += 1
            words = {match[0] for match in DOOR.finditer(code_of(found))}
            if words and target not in HARMLESS:
                doors[target] = words
    assert passed > 5
    assert not doors


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        ("monai.losses.perceptual.MedicalNetPerceptualSimilarity", {}),  # torch.hub.load runs what it fetches
        ("monai.losses.perceptual.RadImageNetPerceptualSimilarity", {}),
        ("monai.losses.perceptual.TorchvisionModelPerceptualSimilarity", {"net": "resnet50"}),
        ("monai.networks.nets.TorchVisionFCModel", {"model_name": "get_model"}),  # a function of its arguments' choice
        ("monai.networks.nets.TorchVisionFCModel", {"use_pretrained": True}),
        ("monai.apps.nnunet.ModelnnUNetWrapper", {"predictor": None, "model_folder": "x"}),  # torch.load
        ("monai.apps.detection.networks.retinanet_detector.RetinaNetDetector", {}),
        ("segkit.networks.UNet", {"features": [{"_target_": "builtins.getattr"}]}),
        ("segkit.networks.UNet", {"features": [[["a", {"_target_": "functools.partial"}]]]}),
        ("segkit.networks.UNet", {"_args_": ["os.system"]}),
        ("segkit.preparation.classic.channels.imported", {"module": "hostile"}),
        ("segkit.foundation.building.build", {"part": {"_target_": "os.system"}}),
        ("segkit.foundation.strangers.NumpyValue", {}),
        ("segkit.commands.package.package", {}),
        ("segkit.datasets.decathlon_download.download_task", {}),
    ],
)
def test_doors_that_were_found_are_shut(target, arguments):
    with pytest.raises(DataError, match=f"^slot: {re.escape(target)} ") as refused:
        resolve_target(target, roles=(torch.nn.Module, Transform), slot="slot", arguments=arguments)
    assert "\n" not in str(refused.value)
