"""Patches from worker processes that may be killed or hang: noticed, named, and read again by new ones."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import active_children, get_context
from typing import Any

from torch import multiprocessing
from torch.utils.data import DataLoader, Dataset, get_worker_info

from segkit.foundation.console import warn
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import DataError
from segkit.training.sampling import CountedBatches, PatchDataset, Sample

LOOK_SECONDS = 5.0  # between two looks at whether the workers are alive
TIMED_OUT, ENDED = "timed out", "exited unexpectedly"  # in what PyTorch says of workers


class ReadersLostError(Exception):
    """Workers that bring no patches any more; `case` is where in the list the one stands that was being read."""

    def __init__(self, message: str, case: int) -> None:
        super().__init__(message)
        self.case = case


@dataclass(frozen=True)
class Logbook:
    """Which case each worker reads, in memory that workers share with the process that started them.

    Attributes:
        entries: three numbers a worker: its process, the index of its case from 1 or 0 for none, and since when.
    """

    entries: Any

    @staticmethod
    def of(workers: int) -> Logbook:
        """Return an empty book."""
        return Logbook(get_context().RawArray("d", 3 * workers))

    def note(self, worker: int, case: int) -> None:
        """Write what a worker reads from now on."""
        self.entries[3 * worker : 3 * worker + 3] = [os.getpid(), case, time.monotonic()]

    def rows(self) -> list[tuple[int, int, float]]:
        """Return process, case and time of each worker that has begun, the longest at its case first."""
        numbers = list(self.entries)
        rows = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        return sorted(((int(pid), int(case), since) for pid, case, since in rows if pid), key=lambda row: row[2])


@dataclass(frozen=True)
class NotedPatches(Dataset[dict[str, Any]]):
    """Patches of which a worker notes the case before it reads."""

    patches: PatchDataset
    book: Logbook

    def __getitem__(self, sample: Sample) -> dict[str, Any]:
        """Return a patch."""
        worker = get_worker_info()
        number = worker.id if worker else 0
        self.book.note(number, self.patches.index_of(sample) + 1)
        patch = self.patches[sample]
        self.book.note(number, 0)
        return patch


@dataclass(frozen=True)
class Readers:
    """Batches without end, read by workers; those that are killed or hang are replaced, and their batch read again.

    Attributes:
        patches: what is read.
        batches: in which order.
        workers: how many processes; at least 1.
        stalled_after: seconds without a batch, after which they are replaced; None: never.
        pin_memory: whether batches are put where a GPU copies from quickly.
    """

    patches: PatchDataset
    batches: CountedBatches
    workers: int
    stalled_after: float | None = None
    pin_memory: bool = False

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches in their order, whatever becomes of workers.

        Raises:
            DataError: when new workers are lost at the same case before they bring anything; it names the case.
        """
        done, lost = 0, set[int]()
        while True:
            book = Logbook.of(self.workers)
            try:
                for batch in self._from_workers(book, done):
                    yield batch
                    done += 1
                    lost.clear()
            except ReadersLostError as error:
                # Workers read ahead of the batch that is waited for: several may be lost at it, each at its own case.
                if error.case in lost:
                    raise DataError(f"{error}, and so it was before; training.workers=0 reads it here") from error
                lost.add(error.case)
                warn(f"{error}; new workers go on from there")

    def _from_workers(self, book: Logbook, first: int) -> Iterator[Any]:
        loader = DataLoader(
            NotedPatches(self.patches, book),
            batch_sampler=islice(self.batches, first, None),
            num_workers=self.workers,
            timeout=LOOK_SECONDS,
            worker_init_fn=share_by_name,
            pin_memory=self.pin_memory,
        )
        arriving = _started(loader)
        asked = time.monotonic()
        try:
            while True:
                try:
                    batch = next(arriving)
                except (RuntimeError, OSError, EOFError) as error:
                    self._look(error, book, time.monotonic() - asked)
                    continue
                yield batch
                asked = time.monotonic()
        finally:
            for process, _, _ in book.rows():  # one that hangs does not hear that it should end
                end(process)

    def _look(self, error: Exception, book: Logbook, waited: float) -> None:
        """Return where workers only take their time.

        Raises:
            ReadersLostError: when one is dead, or there was no batch for too long.
            Exception: the error itself, when it says something else.
        """
        alive = {child.pid for child in active_children()}
        dead = [case for process, case, _ in book.rows() if process not in alive]
        # What was announced may be gone with the worker; an error of reading is told as one of a worker process.
        is_cut_off = bool(dead) and "worker process" not in str(error)
        if ENDED in str(error) or is_cut_off:
            case = next((case for case in dead if case), 0)
            raise ReadersLostError(f"a worker that reads patches was killed {self._at(case)}", case) from None
        if TIMED_OUT not in str(error):
            raise error
        if self.stalled_after is not None and waited >= self.stalled_after:
            case = next((case for _, case, _ in book.rows() if case), 0)
            raise ReadersLostError(
                f"the workers brought no patch for {format_duration(waited)} (training.stalled_after): one hangs "
                f"{self._at(case)}",
                case,
            ) from None

    def _at(self, case: int) -> str:
        if not case:
            return "between two patches"
        prepared = self.patches.cases[case - 1]
        return f"while it read {prepared.name} ({prepared.folder})"


def share_by_name(worker: int) -> None:
    """Let a worker leave batches in memory that goes by a name: it need not live, or answer, when they are taken."""
    multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]


def _started(loader: DataLoader[Any]) -> Iterator[Any]:
    """Start the workers of a loader, and let a death be found where a batch is waited for."""
    # PyTorch's handler would raise in whatever the training does when a worker dies, even in the middle of a step.
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    try:
        return iter(loader)
    finally:
        signal.signal(signal.SIGCHLD, before or signal.SIG_DFL)


def end(process: int) -> None:
    """End a process of ours, where it is still there."""
    if any(child.pid == process for child in active_children()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
