"""Several processes that train one network together: what each of them is, and what they must agree on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from lightning_fabric.plugins import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from torch import Tensor

from segkit.config.plan import Plan
from segkit.config.sharing import check_sharing
from segkit.foundation.errors import UsageError
from segkit.foundation.machine import starter

_RUN = "SEGKIT_RUN"  # names the first process's run folder to those that it starts


def rank() -> int:
    """Return which of the processes this one is, as torchrun, Slurm or Lightning tell it; 0 for one alone."""
    return int(os.environ.get({"torchrun": "RANK", "srun": "SLURM_PROCID"}.get(starter() or "", "LOCAL_RANK"), "0"))


def machines_of(devices: int) -> int:
    """Return how many machines train together; one where nothing else started the processes.

    Args:
        devices: processes on each, as configured.

    Raises:
        UsageError: when another number was started on each.
    """
    by = starter()
    if by is None:
        return 1
    if by == "torchrun":
        total, each = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    else:
        total = int(os.environ["SLURM_STEP_NUM_TASKS"])
        each = total // int(os.environ.get("SLURM_STEP_NUM_NODES", "1"))
    if each != devices or total % each:
        raise UsageError(
            f"{by} started {total} processes, {each} on each machine, and training.devices={devices}: "
            f"pass training.devices={each}"
        )
    return total // each


def surroundings() -> ClusterEnvironment:
    """Return what tells Lightning of the other processes; left alone, it takes any job of Slurm for a step of many."""
    match starter():
        case "torchrun":
            return TorchElasticEnvironment()
        case "srun":
            return SLURMEnvironment(auto_requeue=False)
        case _:
            return LightningEnvironment()


def check_output_is_named(named: str | None) -> None:
    """Require a run folder of processes that were started side by side, since each would make one of its own.

    Raises:
        UsageError: when there is none.
    """
    if starter() and named is None:
        raise UsageError(f"output is not set: processes of {starter()} share one run folder, so pass output=DIR")


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


def share_of(plan: Plan, processes: int) -> int:
    """Return how many samples of a batch each process takes, those of all members.

    Raises:
        UsageError: when they cannot all take as many for each member.
    """
    check_sharing(plan.batch // plan.members, processes)
    return plan.batch // processes
