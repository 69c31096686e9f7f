"""The memory of a training step, from what autograd keeps of a network that is run without numbers.

PyTorch's `meta` tensors have shapes and no values, so a network of any size is run in milliseconds, and whatever
autograd keeps for the backward pass is counted once per storage: of segkit's U-Net, the input of each convolution,
normalisation and transposed convolution; rectifiers work in place and share theirs with the convolution after them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

WEIGHT_BYTES = 22  # per parameter: itself, gradient, AdamW's two moments, running average (4 each), copy in bf16 (2)
LOGIT_BYTES = 21  # per logit at the peak of Dice + cross-entropy: in the network's format, in float32, probabilities
PASSING = 4  # feature maps at full size that exist for a moment at the start of the backward pass
# What a GPU takes beside tensors, not measured: set so that 8 GB hold the plans that nnU-Net publishes for 8 GB.
CUDA_CONTEXT = 1.0e9  # bytes: the driver's context, kernels, and cuDNN's workspaces
FRAGMENTED = 1.1  # of what is in use: PyTorch's allocator cannot place every tensor without gaps


@dataclass(frozen=True)
class Footprint:
    """What a training step with one patch takes.

    Attributes:
        voxels: of the patch.
        kept: bytes that autograd keeps of the network.
        logits: numbers that the network returns, of all outputs together.
        widest: bytes of the largest output of a layer.
        parameters: numbers that are learnt.
    """

    voxels: int
    kept: int
    logits: int
    widest: int
    parameters: int

    def step_bytes(self, voxels: int, batch: int, *, on_gpu: bool) -> int:
        """Return the peak bytes of a training step.

        Args:
            voxels: of a patch; activations of a network of convolutions grow in proportion.
            batch: patches a step.
            on_gpu: whether the driver's and the allocator's own share counts too.

        Returns:
            weights with all that learning them takes, activations, and whichever is larger: what the loss holds, or
            the gradients that pass through the finest level.
        """
        passing = max(PASSING * self.widest, LOGIT_BYTES * self.logits)
        tensors = WEIGHT_BYTES * self.parameters + batch * voxels / self.voxels * (self.kept + passing)
        return math.ceil(FRAGMENTED * tensors + CUDA_CONTEXT if on_gpu else tensors)


def footprint(build: Callable[[], nn.Module], in_channels: int, patch: Sequence[int], dtype: torch.dtype) -> Footprint:
    """Run a network without numbers and count what training it takes.

    Args:
        build: makes the network.
        in_channels: image channels.
        patch: voxels per network axis, of a size that the network takes.
        dtype: in which the network computes.

    Raises:
        RuntimeError: when the network's code asks for values, which do not exist.
    """
    network = without_numbers(build).to(dtype)
    counted: dict[int, Tensor] = {}  # one tensor per storage, held so that no storage takes another's place
    own = {storage_of(parameter) for parameter in network.parameters()}
    widest = 0

    def keep(tensor: Tensor) -> Tensor:
        if storage_of(tensor) not in own:
            counted[storage_of(tensor)] = tensor
        return tensor

    def measure(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal widest
        if isinstance(output, Tensor):
            widest = max(widest, bytes_of(output))

    watches = [module.register_forward_hook(measure) for module in network.modules() if not any(module.children())]
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = network(torch.zeros((1, in_channels, *patch), device="meta", dtype=dtype))
    for watch in watches:
        watch.remove()
    logits = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    return Footprint(
        voxels=math.prod(patch),
        kept=sum(map(bytes_of, counted.values())),
        logits=sum(each.numel() for each in logits),
        widest=widest,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def without_numbers(build: Callable[[], nn.Module]) -> nn.Module:
    """Return a training network whose weights have shapes only."""
    try:
        with torch.device("meta"):
            return build().train()
    except RuntimeError:  # its constructor computes with values
        return build().train().to("meta")


def storage_of(tensor: Tensor) -> int:
    """Return what tells one storage from another."""
    return int(tensor.untyped_storage()._cdata)


def bytes_of(tensor: Tensor) -> int:
    """Return the size of the storage under a tensor in bytes."""
    return int(tensor.untyped_storage().nbytes())
