"""What this process may use of the machine it runs on."""

import os
import sys
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Count the CPU cores that this process may use: its affinity mask, cut by the container's quota.

    Returns:
        At least 1.
    """
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for folder in _cgroup_folders("cpu"):
        quota, period = _quota(folder)
        if quota > 0 and period > 0:
            cores = min(cores, quota // period)
    return max(1, cores)


def available_memory() -> int:
    """Give the memory that can be taken now without swapping, cut by the container's limit.

    Returns:
        Bytes, at least 0.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    for folder in _cgroup_folders("memory"):
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if limit:
            free = min(free, limit - (used - _reclaimable(folder)))
    return max(0, free)


def memory_used() -> tuple[int, int]:
    """Give the bytes of memory that this process takes now, and the most that it took so far where that is known."""
    import psutil

    now = int(psutil.Process().memory_info().rss)
    if sys.platform == "win32":
        return now, now
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage also counts what the process was before its program began: a copy of the one that started it.
        lines = status.read_text(encoding="ascii", errors="replace").splitlines()
        return now, max([now, *(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))])
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return now, max(now, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _cgroup_folders(controller: str) -> list[Path]:
    """List this process's control groups from its own up to the root; a limit may stand in any of them."""
    folders = []
    for line in _cgroup_lines():
        _, controllers, inside = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 2 has one tree and an empty list of controllers; version 1 one tree for each.
        root = _CGROUPS / controller if controllers else _CGROUPS
        own = root / inside.lstrip("/")
        folders += [folder for folder in (own, *own.parents) if folder.is_relative_to(root)]
    return folders


def _cgroup_lines() -> list[str]:
    try:
        return Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _quota(folder: Path) -> tuple[int, int]:
    """Give microseconds of CPU time per period; (0, 0) where there is no limit."""
    try:
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return (0, 0) if quota == "max" else (int(quota), int(period))
    except (OSError, ValueError):
        return _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")


def _reclaimable(folder: Path) -> int:
    # File cache counts as used, but the kernel gives it back before it kills anyone.
    try:
        for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(number)
    except (OSError, ValueError):
        return 0
    return 0


def _number(path: Path) -> int:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0


def starter() -> str | None:
    """Return what started several processes for one training: `torchrun`, `srun`, or None where Lightning will."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    # A batch script and an interactive shell have SLURM_NTASKS too; the number of its own tasks only a step has.
    return "srun" if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1 else None
