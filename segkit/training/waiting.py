"""How long training waits for its patches."""

from __future__ import annotations

import time
from typing import Any

from pytorch_lightning.profilers import PassThroughProfiler, Profiler

FETCHING = "train_dataloader_next"  # how Lightning's loop calls the wait for its next batch


class Waiting(Profiler):
    """Measures from the moment when the training process asks for a batch to the batch's arrival.

    Args:
        other: a profiler that hears of everything too; None: none does.
    """

    _lightning_module: Any = None  # set by the trainer

    def __init__(self, other: Profiler | None = None) -> None:
        super().__init__()
        self.other = other or PassThroughProfiler()
        self.began = 0.0
        self.total = 0.0
        self.taken = 0.0

    def start(self, action_name: str) -> None:
        """Note when a batch is asked for."""
        self.other.start(action_name)
        if action_name.endswith(FETCHING):
            self.began = time.monotonic()

    def stop(self, action_name: str) -> None:
        """Add the wait that just ended."""
        if action_name.endswith(FETCHING):
            self.total += time.monotonic() - self.began
        self.other.stop(action_name)

    def take(self) -> float:
        """Return the seconds waited since this was last asked."""
        seconds, self.taken = self.total - self.taken, self.total
        return seconds

    def setup(self, stage: str, local_rank: int | None = None, log_dir: str | None = None) -> None:
        """Set the other profiler up, with the module that Lightning has given to this one."""
        self.other._lightning_module = self._lightning_module  # type: ignore[attr-defined]
        self.other.setup(stage, local_rank, log_dir)

    def describe(self) -> None:
        """Let the other profiler write what it found."""
        self.other.describe()

    def teardown(self, stage: str | None) -> None:
        """Let the other profiler close its files."""
        self.other.teardown(stage)
