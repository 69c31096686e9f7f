"""How long training waits for its patches."""

from __future__ import annotations

import time

from pytorch_lightning.profilers import Profiler

FETCHING = "train_dataloader_next"  # how Lightning's loop calls the wait for its next batch


class Waiting(Profiler):
    """Measures from the moment when the training process asks for a batch to the batch's arrival, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.began = 0.0
        self.total = 0.0
        self.taken = 0.0

    def start(self, action_name: str) -> None:
        """Note when a batch is asked for."""
        if action_name.endswith(FETCHING):
            self.began = time.monotonic()

    def stop(self, action_name: str) -> None:
        """Add the wait that just ended."""
        if action_name.endswith(FETCHING):
            self.total += time.monotonic() - self.began

    def take(self) -> float:
        """Return the seconds waited since this was last asked."""
        seconds, self.taken = self.total - self.taken, self.total
        return seconds
