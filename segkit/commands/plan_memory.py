"""How much memory a plan may count on."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from segkit.config.data_checks import AUTO
from segkit.config.options import PlanOptions
from segkit.foundation.memory_size import CPU, GIGABYTE

DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # of NVIDIA, AMD and WSL
SHARE = 0.97  # of a GPU's memory: the rest is the driver's, the desktop's and fragmentation


def with_memory(options: PlanOptions, device: str) -> PlanOptions:
    """Return the options with `plan.memory=auto` settled: the device's own, or `cpu`."""
    return options if options.memory != AUTO else replace(options, memory=memory_of(device))


def memory_of(device: str) -> str:
    """Return `cpu`, or the memory of a GPU that may be used, e.g. `72.4GB`."""
    if device == CPU or (device == AUTO and not may_have_gpu()):
        return CPU
    import torch

    from segkit.networks.precision import choose_device

    chosen = choose_device(device)
    if chosen.type != "cuda":
        return CPU
    total = torch.cuda.get_device_properties(chosen).total_memory
    return f"{total * SHARE / GIGABYTE:.1f}GB"


def may_have_gpu() -> bool:
    """Say whether a look through PyTorch, which takes a second, could find a GPU."""
    return not sys.platform.startswith("linux") or any(Path(driver).exists() for driver in DRIVERS)
