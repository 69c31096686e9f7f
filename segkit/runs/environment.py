"""Where a run ran: versions and hardware, enough to repeat it; no names of people or machines."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from segkit.foundation.machine import available_cores
from segkit.version import __version__

PACKAGES = ("torch", "pytorch-lightning", "monai", "hydra-core", "numpy", "scipy", "nibabel", "pydicom")


def environment() -> dict[str, Any]:
    """Return versions of Python, segkit and what it stands on, processor, cores and accelerators."""
    import torch

    return {
        "segkit": __version__,
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "accelerators": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        "job": {key: os.environ[key] for key in ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID") if key in os.environ},
    }


def installed(package: str) -> str | None:
    """Return a package's version, None where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
