"""Several networks of one kind that learn side by side and decide together (Lakshminarayanan et al. 2017, NeurIPS)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segkit.foundation.errors import UsageError
from segkit.networks.building import build_network

MOST = 32
_MEMBER = re.compile(r"members\.\d+\.")


class Committee(nn.Module):
    """Networks of which each learns from its own samples of a batch, and whose logits are averaged in prediction.

    Member m of M learns from the samples m, m + M, m + 2 M ... of a batch. Where the loss is the mean of the losses of
    these shares, as `shared_out` gives them, it has the gradients that it would have with its samples alone.

    Args:
        members: how many there are; their initial weights differ.
        network: `_target_` and arguments of one.

    Raises:
        UsageError: when there are no members or more than 32, or the class does not take these arguments.

    Shape:
        input (N, C, *size), N a multiple of `members` while training; output (N, K, *size), or a list of them, finest
        first, where a member returns one.
    """

    def __init__(self, *, members: int, network: Mapping[str, Any]) -> None:
        super().__init__()
        if not 1 <= members <= MOST:
            raise UsageError(f"a committee has 1 to {MOST} networks, not {members}")
        self.members = nn.ModuleList(build_network(network) for _ in range(members))

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        """Return the logits of each sample's own member while training, else the mean of all members'.

        Raises:
            UsageError: when a batch cannot be shared among the members alike.
        """
        if not self.training:
            total: Tensor = sum(member(x) for member in self.members)
            return total / len(self.members)
        count = len(self.members)
        if len(x) % count:
            raise UsageError(f"plan.batch: {len(x)} patches at once cannot be shared among {count} networks alike")
        outputs = [member(x[index::count]) for index, member in enumerate(self.members)]
        if isinstance(outputs[0], Tensor):
            return in_turn(outputs)
        return [in_turn(level) for level in zip(*outputs, strict=True)]


def in_turn(outputs: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Return the first sample of each output, then the second of each ..., shape (M N, K, *size) of M (N, K, *size).

    Each output's gradient is M times that of the result: what its own loss would give it, where the loss is the mean.
    """
    joined = torch.stack(list(outputs), dim=1).flatten(0, 1)
    scaled: Tensor = _Scaled.apply(joined, len(outputs))  # type: ignore[no-untyped-call]
    return scaled


class _Scaled(torch.autograd.Function):
    """The same values, with gradients a number of times as large."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: int) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def members_of(network: nn.Module) -> int:
    """Return how many networks learn from their own samples of a batch."""
    return len(network.members) if isinstance(network, Committee) else 1


def shared_out(
    outputs: Tensor | Sequence[Tensor], target: Tensor, members: int
) -> list[tuple[Tensor | list[Tensor], Tensor]]:
    """Return each member's samples of a batch's outputs, as `Committee` returns them, and of what they should be."""
    shares: list[tuple[Tensor | list[Tensor], Tensor]] = []
    for index in range(members):
        own = outputs[index::members] if isinstance(outputs, Tensor) else [each[index::members] for each in outputs]
        shares.append((own, target[index::members]))
    return shares


def without_member(name: str) -> str:
    """Return a weight's name as its member alone has it."""
    return _MEMBER.sub("", name, count=1) if _MEMBER.match(name) else name
