"""Several processes that train one network together: what each of them is, and what they must agree on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor

from segkit.foundation.errors import UsageError

_RUN = "SEGKIT_RUN"  # names the first process's run folder to those that it starts


def rank() -> int:
    """Return which of the processes this one is, as torchrun, Slurm or Lightning tell it; 0 for one alone."""
    found = os.environ.get("RANK")
    if found is None and int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        found = os.environ.get("SLURM_PROCID")
    return int(found if found is not None else os.environ.get("LOCAL_RANK", "0"))


def hand_over(run: Path) -> None:
    """Tell the processes that this one will start which run folder is meant."""
    os.environ[_RUN] = str(run)


def handed_over() -> str | None:
    """Return the run folder that the first process told; None in that one, or where others were started beside it."""
    return os.environ.get(_RUN) if rank() > 0 else None


def world() -> int:
    """Return how many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def any_of(wish: bool, module: pl.LightningModule) -> bool:
    """Return whether any process wishes so: clocks and signals differ, and all must do the same."""
    if world() == 1:
        return wish
    wishes = torch.tensor(int(wish), device=module.device)
    dist.all_reduce(wishes)
    return bool(wishes.item())


def of_first(value: float, module: pl.LightningModule) -> float:
    """Return the first process's value."""
    if world() == 1:
        return value
    shared = torch.tensor(value, dtype=torch.float64, device=module.device)
    dist.broadcast(shared, src=0)
    return float(shared.item())


def mean_of(value: Tensor) -> Tensor:
    """Return the mean over processes, without a gradient."""
    if world() == 1:
        return value.detach()
    shared = value.detach().clone()
    dist.all_reduce(shared)
    return shared / world()


def sum_of(values: Tensor) -> Tensor:
    """Return the sum over processes, through which gradients flow back to each."""
    if world() == 1:
        return values
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The sum over processes; each one's share of it has the gradients of all that the sum went into."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


def share_of(batch: int, processes: int) -> int:
    """Return how many samples of a batch each process takes.

    Raises:
        UsageError: when they cannot all take as many.
    """
    if batch % processes:
        raise UsageError(
            f"training.devices={processes} cannot share a batch of {batch}: "
            f"pass plan.batch={batch + -batch % processes}"
        )
    return batch // processes
