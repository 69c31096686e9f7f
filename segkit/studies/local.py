"""`launcher=local`: trials on this machine, each a fresh process on its own cores and GPUs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from types import TracebackType

from segkit.foundation.machine import available_memory
from segkit.foundation.memory_size import amount_of
from segkit.foundation.tether import tethered
from segkit.studies.resources import Share, shares, visible_gpus
from segkit.studies.trial import Trial

LEAST_BYTES = 10**9  # what a training takes at the very least: PyTorch, MONAI, a small network


class LocalJob:
    """A trial's process on this machine.

    Args:
        process: of the trial, the leader of a group of its own.
        share: what it was given.
    """

    def __init__(self, process: subprocess.Popen[bytes], share: Share) -> None:
        self.process, self.share = process, share
        self.peak = 0

    def exit_code(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self.process.poll()

    def stop(self) -> None:
        """Ask it to save its state and leave."""
        self.process.terminate()

    def kill(self) -> None:
        """End its whole group."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def place(self) -> str:
        """Return its cores and GPUs."""
        return self.share.place()

    def memory(self) -> int:
        """Return the bytes that it and its children take now, files mapped into memory not counted."""
        import psutil

        taken = 0
        with suppress(psutil.Error):
            leader = psutil.Process(self.process.pid)
            for each in (leader, *leader.children(recursive=True)):
                with suppress(psutil.Error):
                    found = each.memory_info()
                    taken += found.rss - getattr(found, "shared", 0)
        self.peak = max(self.peak, taken)
        return taken


class LocalLauncher:
    """Runs trials on this machine.

    Args:
        parallel: how many at a time; None: one on each GPU, one where there is none.
        cores: CPU cores of each; None: the same part for each.
        gpus: GPUs of each; None: one where there are any.
        memory: what each takes, such as `8GB`; no further one starts while less is free. None: what those before took.

    Raises:
        UsageError: when the machine does not have what is asked for.
    """

    def __init__(
        self, *, parallel: int | None = None, cores: int | None = None, gpus: int | None = None,
        memory: str | None = None,
    ) -> None:  # fmt: skip
        self.shares = shares(parallel, cores, gpus, visible_gpus())
        self.memory = amount_of(memory, key="launcher.memory") if memory else None
        self.jobs: dict[int, LocalJob] = {}
        self.peak = 0

    def has_room(self) -> bool:
        """Say whether a share and enough memory are free; a trial alone always finds room."""
        running = [job for job in self.jobs.values() if job.exit_code() is None]
        if len(running) >= len(self.shares):
            return False
        return not running or self._fits(running)

    def _fits(self, running: list[LocalJob]) -> bool:
        taken = [job.memory() for job in running]
        self.peak = max([self.peak, *(job.peak for job in self.jobs.values())])
        needed = self.memory or max(LEAST_BYTES, self.peak)
        # What runs may still grow to what one needs.
        growth = sum(max(0, needed - now) for now in taken)
        return available_memory() - growth >= needed

    def places(self) -> int:
        """Return how many run at a time at most."""
        return len(self.shares)

    def start(self, trial: Trial) -> LocalJob:
        """Start a trial on a free share.

        Raises:
            ValueError: when none is free.
        """
        free = [index for index in range(len(self.shares)) if not self._is_busy(index)]
        if not free:
            raise ValueError("every share of this machine has its trial: ask has_room first")
        share = self.shares[free[0]]
        trial.output.parent.mkdir(parents=True, exist_ok=True)
        with trial.output.open("ab") as output:
            # A process group of its own keeps the terminal's Ctrl-C from reaching the trial: we pass one signal on,
            # once. Its stdin tells it when we are gone.
            process = subprocess.Popen(
                command_of(trial), process_group=0, stdin=subprocess.PIPE, stdout=output,
                stderr=subprocess.STDOUT, env=tethered(share.of_each(trial.processes).environment(os.environ)),
            )  # fmt: skip
        if share.cores and sys.platform == "linux":
            with suppress(ProcessLookupError):
                os.sched_setaffinity(process.pid, share.cores)
        job = LocalJob(process, share)
        self.jobs[free[0]] = job
        return job

    def _is_busy(self, index: int) -> bool:
        return index in self.jobs and self.jobs[index].exit_code() is None

    def __enter__(self) -> LocalLauncher:
        """Nothing to get hold of: the machine is here."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pipes that tell trials we live."""
        for job in self.jobs.values():
            if job.process.stdin is not None:
                job.process.stdin.close()


def command_of(trial: Trial) -> list[str]:
    """Return the command line that runs a trial in a process of its own."""
    # `python -m` puts the working directory before all packages; only a parent that runs so itself wants that.
    isolated = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]  # noqa: PTH109
    return [sys.executable, *isolated, "-m", "segkit", trial.command, "--config", str(trial.config)]
