"""The memory of a forward pass, from a network that is run without numbers."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from segkit.networks.activations import bytes_of, storage_of
from segkit.networks.shapes import outputs_of

CONVOLUTION = "aten::convolution"  # whose kernels put input and output into a layout of their own


class Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that exist at once, copies in kernels among them, but for those that existed before.

    Attributes:
        peak: most bytes at once.
    """

    def __init__(self, existing: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self.known = {storage_of(tensor) for tensor in existing}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count what it made."""
        outputs = outputs_of(func, args, kwargs or {})
        if func._schema.name == CONVOLUTION:
            reordered = sum(bytes_of(tensor) for tensor in (args[0], outputs))
            self.peak = max(self.peak, self.now + bytes_of(outputs) + reordered)
        for tensor in tree_leaves(outputs):
            if isinstance(tensor, Tensor) and storage_of(tensor) not in self.known:
                self._count(tensor)
        return outputs

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # or PyTorch imports its compiler to keep that from looking in here

    def _count(self, tensor: Tensor) -> None:
        name, size = storage_of(tensor), bytes_of(tensor)
        self.known.add(name)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(tensor.untyped_storage(), self._forget, name, size)

    def _forget(self, name: int, size: int) -> None:
        self.known.discard(name)
        self.now -= size


@torch.no_grad()
def forward_bytes(network: nn.Module, in_channels: int, patch: Sequence[int], dtype: torch.dtype) -> int:
    """Return the bytes that one patch's way through a network takes beside its weights.

    Args:
        network: as it is used; it is not changed.
        in_channels: image channels.
        patch: voxels per network axis.
        dtype: in which the network computes.

    Returns:
        the most bytes of tensors at once, patch and logits among them, and of copies that kernels make.

    Raises:
        RuntimeError: when the network's code asks for values, which do not exist.
    """
    # Copied with weights that have no numbers in place of its own, so that these are never in memory twice.
    weights = {id(each): nn.Parameter(each.detach().to("meta"), requires_grad=False) for each in network.parameters()}
    buffers = {id(each): each.to("meta") for each in network.buffers()}
    bare = deepcopy(network, {**weights, **buffers}).to(dtype)
    patches = torch.empty((1, in_channels, *patch), dtype=dtype, device="meta")
    own = [*bare.parameters(), *bare.buffers()]
    with Living(own) as living:
        outputs = bare(patches)
    del outputs
    peak: int = living.peak
    return peak + bytes_of(patches)
