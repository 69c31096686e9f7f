"""What a training step takes: timed on this device, or estimated from its operations."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segkit.foundation.allocator import keep_freed_memory
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json
from segkit.foundation.hashing import value_hash
from segkit.foundation.machine import available_cores
from segkit.foundation.strangers import load_json
from segkit.networks.operations import forward_operations
from segkit.networks.precision import autocast, uses_bf16
from segkit.preparation.upkeep import STEP_SECONDS
from segkit.training.building import initial_network
from segkit.training.losses import DiceCrossEntropy, supervised

WARM_UP = 2  # steps in which libraries choose their kernels
TIMED = 5
LONGEST = 4.0  # seconds after which no further step is timed
BACKWARD = 2  # times the operations of the way forward
# Operations a second that training a U-Net reaches, a CPU's for each core: scripts/benchmarks/RESULTS.md; that of a GPU
# is a guess.
CPU_RATE, CPU_BF16_RATE, GPU_RATE = 5e10, 9e10, 2e13


@dataclass(frozen=True)
class MeasuredSteps:
    """Times training steps; each kind once, and then its file in the cache tells.

    Attributes:
        device: where steps run.
        precision: `training.precision`.
        store: the cache.
    """

    device: torch.device
    precision: str
    store: Path

    def __call__(self, network: Mapping[str, Any], patch: Sequence[int], batch: int) -> float:
        """Return the seconds of a step, augmentation aside: the median of five, infinite where memory is too small."""
        where = [device_name(self.device), torch.get_num_threads(), torch.__version__]
        what = [dict(network), list(patch), batch, uses_bf16(self.precision, self.device)]
        path = self.store / STEP_SECONDS / f"{value_hash([where, what])}.json"
        try:
            return float(load_json(path)["seconds"])
        except (OSError, DataError, KeyError, TypeError, ValueError):
            seconds = self.timed(network, patch, batch)
        write_json(path, {"seconds": seconds, "device": where, "step": what})
        return seconds

    def timed(self, network: Mapping[str, Any], patch: Sequence[int], batch: int) -> float:
        """Time a step now."""
        keep_freed_memory()  # as in a training
        try:
            model = initial_network(network, seed=0).to(self.device).train()
            optimizer = torch.optim.AdamW(model.parameters())
            shape = (batch, int(network["in_channels"]), *patch)
            images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self.device)
            target = torch.zeros((batch, int(network["out_channels"]), *patch), dtype=torch.uint8, device=self.device)
            taken: list[float] = []
            while len(taken) < WARM_UP + TIMED and (len(taken) <= WARM_UP or sum(taken) < LONGEST):
                began = time.perf_counter()
                self.step(model, optimizer, images, target)
                taken.append(time.perf_counter() - began)
        except torch.OutOfMemoryError:
            return float("inf")
        return statistics.median(taken[WARM_UP:])

    def step(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, target: Tensor) -> None:
        """Train one step with the default loss, and wait for its end."""
        optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision, self.device):
            outputs = model(images)
        supervised(DiceCrossEntropy(), outputs, target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


@dataclass(frozen=True)
class EstimatedSteps:
    """Estimates training steps by their operations alone, so that the same device always gives the same answer.

    Attributes:
        device: where steps run.
        precision: `training.precision`.
    """

    device: torch.device
    precision: str

    def __call__(self, network: Mapping[str, Any], patch: Sequence[int], batch: int) -> float:
        """Return the estimated seconds of a step."""
        rate = GPU_RATE
        if self.device.type == "cpu":
            of_core = CPU_BF16_RATE if uses_bf16(self.precision, self.device) else CPU_RATE
            rate = of_core * available_cores()
        return (1 + BACKWARD) * batch * forward_operations(network, patch) / rate


def device_name(device: torch.device) -> str:
    """Return the model of a GPU; of a CPU its best instruction set, as PyTorch sees it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"
