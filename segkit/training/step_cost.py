"""What a training step takes: timed on this device, or estimated from its operations."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import inf
from pathlib import Path

import torch
from torch import Tensor, nn

from segkit.foundation.allocator import keep_freed_memory
from segkit.foundation.errors import DataError
from segkit.foundation.exhaustion import is_out_of_memory
from segkit.foundation.files import write_json
from segkit.foundation.hashing import value_hash
from segkit.foundation.machine import available_cores
from segkit.foundation.strangers import load_json
from segkit.networks.building import initial_network
from segkit.networks.operations import forward_operations
from segkit.networks.precision import autocast, uses_bf16
from segkit.preparation.budget import Step
from segkit.preparation.upkeep import STEP_SECONDS
from segkit.training.losses import DiceCrossEntropy, supervised

WARM_UP = 2  # steps in which libraries choose their kernels
TIMED = 5
LONGEST = 4.0  # seconds after which no further step is timed
BACKWARD = 2  # times the operations of the way forward
LEAST = 1e-4  # seconds of a step that seems to compute nothing
# Operations a second that training a U-Net reaches, a CPU's for each core: scripts/benchmarks/RESULTS.md, "The step";
# that of a GPU is a guess.
CPU_RATE, CPU_BF16_RATE, GPU_RATE = 5e10, 9e10, 2e13


@dataclass(frozen=True)
class MeasuredSteps:
    """Times training steps; what was timed stands in the cache for the next plan on this device.

    Attributes:
        device: where steps run.
        precision: `training.precision`.
        store: the cache.
    """

    device: torch.device
    precision: str
    store: Path

    def __call__(self, step: Step) -> float:
        """Return the seconds of a step with the default loss and optimiser, without augmentation; infinite: too large.

        The median of up to five, of fewer where they take long.
        """
        where = [*machine(self.device), torch.get_num_threads(), torch.__version__]
        what = [asdict(step), uses_bf16(self.precision, self.device)]
        path = self.store / STEP_SECONDS / f"{value_hash([where, what])}.json"
        try:
            known = float(load_json(path)["seconds"])
            os.utime(path)  # in use: `segkit cache clean unused=...` asks
        except (OSError, DataError, KeyError, TypeError, ValueError):
            known = self.timed(step)
            if known < inf:
                write_json(path, {"seconds": known, "device": where, "step": what})
        return known

    def timed(self, step: Step) -> float:
        """Time a step now."""
        keep_freed_memory()  # as in a training
        with trained_on(self.device):
            try:
                return self.median(step)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                return inf

    def median(self, step: Step) -> float:
        """Train some steps and return the median of their seconds."""
        network = initial_network(step.network, seed=0).to(self.device).train()
        optimizer = torch.optim.AdamW(network.parameters())
        draw = torch.Generator().manual_seed(0)
        images = torch.randn((step.batch, step.channels, *step.patch), generator=draw).to(self.device)
        target = torch.zeros((step.batch, step.outputs, *step.patch), dtype=torch.uint8, device=self.device)
        taken: list[float] = []
        while len(taken) < WARM_UP + TIMED and (len(taken) <= WARM_UP or sum(taken) < LONGEST):
            began = time.perf_counter()
            self.train(network, optimizer, images, target)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken[WARM_UP:])

    def train(self, network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, target: Tensor) -> None:
        """Train one step, and wait for its end."""
        optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, self.device):
            outputs = network(images)
        supervised(DiceCrossEntropy(), outputs, target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)


@contextmanager
def trained_on(device: torch.device) -> Iterator[None]:
    """Let a GPU choose its kernels as in a training, and give its memory back afterwards."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=device.type == "cuda"):
        yield
    if device.type == "cuda":
        torch.cuda.empty_cache()


@lru_cache(maxsize=4)
def machine(device: torch.device) -> tuple[str, ...]:
    """Return what tells one device from another: the node's name, and the model of its GPU."""
    if device.type == "cuda":
        return platform.node(), torch.cuda.get_device_name(device)
    return platform.node(), device.type, torch.backends.cpu.get_cpu_capability()


@dataclass(frozen=True)
class EstimatedSteps:
    """Estimates training steps by their operations alone, so that the same device always gives the same answer.

    Attributes:
        device: where steps run.
        precision: `training.precision`.
    """

    device: torch.device
    precision: str

    def __call__(self, step: Step) -> float:
        """Return the estimated seconds of a step."""
        rate = GPU_RATE
        if self.device.type == "cpu":
            of_core = CPU_BF16_RATE if uses_bf16(self.precision, self.device) else CPU_RATE
            rate = of_core * available_cores()
        operations = (1 + BACKWARD) * step.batch * forward_operations(step.network, step.channels, step.patch)
        return max(LEAST, operations / rate)
