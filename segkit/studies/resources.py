"""How this machine is shared out among trials that run at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segkit.foundation.errors import UsageError
from segkit.foundation.machine import available_cores

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
_GPUS = "CUDA_VISIBLE_DEVICES"
_ASKING_SECONDS = 20.0


@dataclass(frozen=True)
class Share:
    """What one of the trials that run at the same time may use.

    Attributes:
        threads: that it computes with; None: as many as it finds good.
        cores: it runs on these alone; empty: on any.
        gpus: names or numbers of the GPUs that it sees; None: whatever there is.
    """

    threads: int | None = None
    cores: tuple[int, ...] = ()
    gpus: tuple[str, ...] | None = None

    def of_each(self, processes: int) -> Share:
        """Return what each of the processes of one trial has: all its cores and GPUs, and its part of the threads."""
        return self if self.threads is None else replace(self, threads=max(1, self.threads // processes))

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a trial's process."""
        changed = {} if self.threads is None else dict.fromkeys(THREADS, str(self.threads))
        if self.gpus is not None:
            changed[_GPUS] = ",".join(self.gpus)
        return {**given, **changed}

    def place(self) -> str:
        """Return it in words: `GPU 1, cores 4-7`."""
        parts = []
        if self.gpus:
            short = ",".join(gpu.removeprefix("GPU-")[:8] for gpu in self.gpus)
            parts.append(f"GPU {short}")
        if self.cores:
            first, last = self.cores[0], self.cores[-1]
            is_run = last > first and self.cores == tuple(range(first, last + 1))
            parts.append(f"cores {f'{first}-{last}' if is_run else ','.join(map(str, self.cores))}")
        elif self.threads is not None:
            parts.append(f"{self.threads} threads")
        return ", ".join(parts)


def shares(parallel: int | None, cores: int | None, gpus: int | None, seen: Sequence[str]) -> list[Share]:
    """Divide this machine.

    Args:
        parallel: how many trials run at a time; None: one on each GPU (or group of `gpus`), one where there is none.
        cores: CPU cores of each trial; None: the same part for each.
        gpus: GPUs of each trial; None: one where there are any. More trials than GPUs share them in turn.
        seen: the GPUs there are.

    Returns:
        A share for each trial that may run at the same time.

    Raises:
        UsageError: when a trial shall have more GPUs than there are.
    """
    each = min(1, len(seen)) if gpus is None else gpus
    if each > len(seen):
        raise UsageError(f"launcher.gpus={each}: this machine shows {len(seen)}; lower it, or set {_GPUS}")
    count = parallel or (max(1, len(seen) // each) if each else 1)
    own = [
        None if gpus is None and not seen else tuple(seen[(index * each + i) % len(seen)] for i in range(each))
        for index in range(count)
    ]
    if count == 1 and cores is None:
        return [Share(gpus=own[0])]
    threads = cores or max(1, available_cores() // count)
    pinned = _pinned(count, threads)
    return [Share(threads, pinned[index], own[index]) for index in range(count)]


def _pinned(count: int, each: int) -> list[tuple[int, ...]]:
    """Give each trial cores of its own, where there are enough and no quota makes their numbers meaningless."""
    usable = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
    if len(usable) != available_cores() or count * each > len(usable):
        return [()] * count
    return [tuple(usable[index * each : (index + 1) * each]) for index in range(count)]


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else all that the driver names.

    No CUDA is started: a parent that held a context on each GPU would take memory from every trial.
    """
    said = os.environ.get(_GPUS)
    if said is not None:
        return [name.strip() for name in said.split(",") if name.strip() not in ("", "-1", "NoDevFiles")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        asked = subprocess.run(
            [program, "--query-gpu=uuid", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=_ASKING_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in asked.stdout.splitlines() if line.strip()] if asked.returncode == 0 else []
