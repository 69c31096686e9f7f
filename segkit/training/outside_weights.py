"""Weights that were trained elsewhere, as the start of a training: `training.weights=PATH`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_checkpoint, load_tensors
from segkit.foundation.suggestions import some_of
from segkit.runs.model_file import read_record, read_weights
from segkit.runs.package import SUFFIX, models_in

SAFETENSORS = ".safetensors"
BUNDLED, NNUNET = Path("models", "model.pt"), "checkpoint_final.pth"  # in a MONAI bundle, in a fold of nnU-Net
# Names of the weights in checkpoints of nnU-Net, Lightning and MONAI.
HOLDERS = ("network_weights", "state_dict", "model_state_dict", "model", "network", "weights")
# Prefixes of DataParallel, torch.compile and Lightning modules; of a committee, whose members all take one network's.
_WRAPPERS = re.compile(r"((module|_orig_mod|net|network|model|members\.\d+)\.)+")
_NNUNET_CONVOLUTION = re.compile(r"(encoder|decoder)\.stages\.(\d+)\.(?:0\.)?convs\.(\d+)\.(conv|norm)\.(weight|bias)")
_NNUNET_OTHER = re.compile(r"decoder\.(transpconvs|seg_layers)\.(\d+)\.(weight|bias)")
MATRIX = 2  # axes of weights that have no size in space
SHOWN = 3  # names of each kind in a line


@dataclass(frozen=True)
class Taken:
    """What became of weights, by name in the network, or where it has none in the file.

    Attributes:
        matched: taken.
        mismatched: of another shape in the file, with both; they stay as drawn.
        missing: not in the file; they stay as drawn.
        unused: in the file alone.
        adapted: those of `matched` whose layer saw other channels, each of the network's getting their mean.
    """

    matched: tuple[str, ...]
    mismatched: dict[str, str]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    adapted: tuple[str, ...]


def start_from(network: nn.Module, path: Path) -> Taken:
    """Put weights from elsewhere into a network, where name and shape agree, and say in a few lines which.

    Args:
        network: its other weights stay as they are.
        path: what `weights_at` reads.

    Raises:
        DataError: when the weights cannot be read, or none fits.
    """
    taken = take_weights(network, weights_at(path))
    if not taken.matched:
        theirs, ours = (
            next(iter(names), "nothing") for names in (taken.unused or taken.mismatched, network.state_dict())
        )
        raise DataError(
            f"training.weights: nothing in {path} fits the network; it holds e.g. {theirs}, and the network {ours}: "
            "choose the network that they were trained with"
        )
    if taken.adapted:
        say(f"{taken.adapted[0]} saw other channels: each of this network's is given their mean")
    total = len(taken.matched) + len(taken.mismatched) + len(taken.missing)
    say(f"start from {path}: {len(taken.matched)} of {total} weights taken")
    shapes = [f"{name} ({shapes})" for name, shapes in taken.mismatched.items()]
    for what, names in (("of another shape", shapes), ("not in the file", taken.missing)):
        if names:
            say(f"{len(names)} {what}, which stay as drawn: {some_of(names, SHOWN)}")
    if taken.unused:
        say(f"{len(taken.unused)} in the file alone: {some_of(taken.unused, SHOWN)}")
    return taken


def weights_at(path: Path) -> dict[str, Tensor]:
    """Read weights by name; nothing that a file brings is run.

    Args:
        path: a run folder, a model folder, a package, a MONAI bundle, a fold of nnU-Net's results, a safetensors file,
            or a checkpoint of tensors as `torch.save` writes it.

    Raises:
        DataError: when there are none, they cannot be read, or a package holds several models.
    """
    if path.is_dir():
        inside = next((path / name for name in (BUNDLED, NNUNET) if (path / name).is_file()), None)
        if inside is not None:
            return weights_in(load_checkpoint(inside, numpy_values=True), inside)
    if path.is_dir() or path.suffix.lower() == SUFFIX:
        folder, *others = models_in(path)
        if others:
            raise DataError(f"{path} holds {len(others) + 1} models: a training starts from one")
        return read_weights(folder, read_record(folder))
    if path.suffix.lower() == SAFETENSORS:
        return load_tensors(path)
    return weights_in(load_checkpoint(path, numpy_values=True), path)


def weights_in(checkpoint: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Return the tensors by name of a checkpoint, which may stand under a name of their own.

    Raises:
        DataError: when it holds none.
    """
    for held in (checkpoint, *(checkpoint.get(name) for name in HOLDERS)):
        tensors = (
            {str(name): value for name, value in held.items() if isinstance(value, Tensor)}
            if isinstance(held, Mapping)
            else {}
        )
        if tensors:
            return tensors
    raise DataError(f"{path} holds no weights: neither tensors by name, nor any under {', '.join(HOLDERS)}")


def take_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> Taken:
    """Copy weights into a network where name, apart from wrappers' prefixes, and shape agree."""
    own = network.state_dict()
    exact = as_segkit_names(weights, own)
    named = {bare(name): tensor for name, tensor in exact.items()}
    fitting, mismatched, missing = {}, {}, []
    adapted: list[str] = []
    first = next((name for name, tensor in own.items() if tensor.dim() > MATRIX), "")
    seen = exact.get(first, named.get(bare(first)))
    for name, tensor in own.items():
        theirs = exact.get(name, named.get(bare(name)))
        if theirs is None:
            missing.append(name)
        elif (fitted := for_channels(theirs, tensor, seen)) is not None:
            fitting[name] = fitted
            adapted.append(name)
        elif theirs.shape != tensor.shape:
            mismatched[name] = f"{'x'.join(map(str, theirs.shape))} for {'x'.join(map(str, tensor.shape))}"
        else:
            fitting[name] = theirs
    network.load_state_dict(fitting, strict=False)
    wanted = set(map(bare, own))
    unused = tuple(name for name in exact if bare(name) not in wanted)
    return Taken(tuple(fitting), mismatched, tuple(missing), unused, tuple(adapted))


def for_channels(theirs: Tensor, own: Tensor, first: Tensor | None) -> Tensor | None:
    """Return a kernel (out, in, *size) for another number of images; None where that is not all that differs.

    Every image gets the mean over theirs, scaled so that a constant input gives the same output.

    Args:
        theirs: the kernel in the file.
        own: the network's.
        first: the file's kernel of the network's first layer, which tells how many images it saw.
    """
    if first is None or not theirs.dim() == own.dim() > MATRIX or theirs.shape[1] != first.shape[1]:
        return None
    alike = theirs.shape[0] == own.shape[0] and theirs.shape[2:] == own.shape[2:]
    if not alike or theirs.shape[1] == own.shape[1]:
        return None
    scale = theirs.shape[1] / own.shape[1]
    return (theirs.float().mean(1, keepdim=True) * scale).expand(own.shape).to(theirs.dtype).contiguous()


def bare(name: str) -> str:
    """Return a weight's name without the prefixes of what a network was wrapped in."""
    wrapped = _WRAPPERS.match(name)
    return name[wrapped.end() :] if wrapped else name


def as_segkit_names(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the weights of nnU-Net's plain U-Net the names that they have in segkit's; others stay as they are.

    Both compute the same: nnU-Net's convolutions have biases, which the normalisation behind them takes away again.

    Source: dynamic-network-architectures 0.4, `PlainConvUNet`, for the names.
    """
    if not any(_NNUNET_CONVOLUTION.fullmatch(bare(name)) for name in weights) or "upsamplers.0.weight" not in own:
        return dict(weights)
    # nnU-Net keeps a head for each decoder level; the finest, its last, is segkit's last.
    shift = _counted(r"heads\.\d+\.weight", own) - _counted(r"decoder\.seg_layers\.\d+\.weight", weights)
    renamed = {}
    for name, tensor in weights.items():
        convolution, other = _NNUNET_CONVOLUTION.fullmatch(bare(name)), _NNUNET_OTHER.fullmatch(bare(name))
        if convolution:
            part, stage, index, kind, what = convolution.groups()
            if (kind, what) != ("conv", "bias"):
                renamed[f"{part}.{stage}.0.{3 * int(index) + (kind == 'norm')}.{what}"] = tensor
        elif other:
            kind, number, what = other.groups()
            place = f"upsamplers.{number}" if kind == "transpconvs" else f"heads.{int(number) + shift}"
            if kind == "transpconvs" or int(number) + shift >= 0:
                renamed[f"{place}.{what}"] = tensor
    return renamed


def _counted(pattern: str, names: Iterable[str]) -> int:
    return sum(re.fullmatch(pattern, bare(name)) is not None for name in names)
