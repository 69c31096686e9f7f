"""Scans on their way to masks: the next is read and prepared while one is computed and the last mask is written."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.console import Advance, say, told_if_longer, warn
from segkit.foundation.errors import StoppedError
from segkit.foundation.failures import failures_said
from segkit.foundation.machine import available_memory, memory_used
from segkit.foundation.memory_size import amount_of, size_text
from segkit.foundation.overlapping import Ahead, Behind, Room
from segkit.inference.failures import reason_of
from segkit.inference.mask_folder import Images, MaskFolder
from segkit.inference.model import Mask, Model, Ready
from segkit.preparation.scans import Scan
from segkit.volumes.selection import Location, without_folders

LIBRARIES = 60e6  # bytes that PyTorch's kernels take when they are first used
WRITING = 2  # bytes for each byte of a mask that is written: itself, and once more in the order of the file
MORE = 1.25  # times the memory told before that is worth another line


@dataclass(frozen=True)
class Need:
    """What memory a mask takes.

    Attributes:
        name: of its case.
        how: what takes it, in words.
        most: bytes in all, at most, of the whole command so far.
        more: bytes beyond those that are taken already.
        on_gpu: whether some of them are a GPU's.
    """

    name: str
    how: str
    most: float
    more: float
    on_gpu: bool

    def __str__(self) -> str:
        """Return it in a line."""
        return f"memory: at most {size_text(self.most)}, for {self.name}: {self.how}"


@dataclass(eq=False)
class Task:
    """A scan that waits for its turn.

    Attributes:
        name: of the case.
        images: where it was read.
        known: `key` and `scan`, as the manifest will list them.
        reading: bytes that reading and preparing may take, of the room that is shared.
        upcoming: bytes that they may take of the next scan.
        ready: what was read and prepared; a scan that was only read where the earlier stage of a cascade sees it first.
        seconds: that all of this took so far.
    """

    name: str
    images: Images
    known: dict[str, str]
    reading: int
    upcoming: int
    ready: Ready | Scan
    seconds: float


class AssemblyLine:
    """Takes scans from their files to their masks; three cases are in the making at most.

    A thread reads and prepares, the caller's thread computes, another writes; where the earlier stage of a cascade
    segments a scan before it can be prepared, that is computing. What the first and the last hold of their cases is
    taken from the room of `inference.memory` that the logits of the one between leave free; where it does not fit, they
    wait for each other.

    Args:
        model: what segments.
        folder: where masks go.
        advance: counts a case as done.
    """

    def __init__(self, model: Model, folder: MaskFolder, advance: Advance) -> None:
        self.model, self.folder, self.advance = model, folder, advance
        self.entries: dict[str, dict[str, Any]] = {}
        self.reused = 0
        self._room = Room(amount_of(model.options.memory, key="inference.memory"))
        self._behind = Behind()
        self._told = 0.0  # bytes

    def run(self, scans: Mapping[str, Images]) -> None:
        """Segment scans; what goes wrong with one is recorded, and said, as its own."""
        with failures_said() as self._tell:
            self._run(scans)

    def _run(self, scans: Mapping[str, Images]) -> None:
        ahead = Ahead(self._tasks(scans))
        try:
            while (task := ahead.take()) is not None:
                ready = self._prepared(task)
                if ready is None:
                    del task
                    ahead.go_on()
                    continue
                task = replace(task, ready=ready)  # what an earlier stage saw of the scan is let go of
                work = ready.work.bytes
                self._room.take(work)
                self._foresee(task, ready)
                ahead.go_on()
                held = self._compute(task, ready)
                self._room.give(work - held)
                del task, ready  # the scan is let go of before the next is waited for
        finally:
            self._room.close()
            ahead.close()
            self._behind.close()

    def _tasks(self, scans: Mapping[str, Images]) -> Iterator[Task]:
        """Yield the scans that have no mask yet; runs in the first thread."""
        sized = ((name, images, self.model.bytes_to_read(images)) for name, images in scans.items())
        for (name, images, reading), following in pairwise(_with_end(sized)):
            try:
                with told_if_longer(self.model.options.stalled_seconds, f"{name}: reading {place_of(images)}"):
                    scan, key = self.folder.key_of(name, images)
                    entry = self.folder.found(name, key)
            except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
                self._hand_on_failure(name, images, problem)
                continue
            if entry is not None:
                self._behind.do(partial(self._note_found, name, entry))
                continue
            if not self._room.take(reading):
                return
            task = self._task(name, images, {"key": key, "scan": scan}, (reading, following[2]))
            if task is not None:
                yield task
            del task  # before the next one is read

    def _task(self, name: str, images: Images, known: dict[str, str], sizes: tuple[int, int]) -> Task | None:
        """Read a scan, and prepare it where that needs no network; None where that fails."""
        began = time.perf_counter()
        try:
            with told_if_longer(
                self.model.options.stalled_seconds, f"{name}: reading and preparing {place_of(images)}"
            ):
                scan = self.model.read(dict(images))
                self.folder.check(name, images, scan.first)
                ready = scan if self.model.previous else self._ready(scan)
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            self._room.give(sizes[0])
            self._hand_on_failure(name, images, problem)
            return None
        return Task(name, images, known, *sizes, ready, time.perf_counter() - began)

    def _ready(self, scan: Scan) -> Ready:
        ready = self.model.ready_of(scan)
        return ready if self.folder.needs_voxels else without_voxels(ready)

    def _prepared(self, task: Task) -> Ready | None:
        """Return the scan of a task as it is prepared; the earlier stage of a cascade segments it now.

        None where that fails. From now on it is the scan at hand, and what reading it took is no longer of the shared
        room.
        """
        began = time.perf_counter()
        try:
            return task.ready if isinstance(task.ready, Ready) else self._ready(task.ready)
        except StoppedError:
            raise
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            self._hand_on_failure(task.name, task.images, problem)
            return None
        finally:
            task.seconds += time.perf_counter() - began
            self._room.give(task.reading)

    def _compute(self, task: Task, ready: Ready) -> int:
        """Compute a mask and hand it on to be written; return the bytes that this holds."""
        began = time.perf_counter()
        try:
            mask = self.model.mask_of(ready)
        except StoppedError:
            raise
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            self._hand_on_failure(task.name, task.images, problem)
            return 0
        held = WRITING * mask.array.nbytes
        if self.folder.needs_voxels:
            held += mask.scan.array.nbytes
        seconds = task.seconds + time.perf_counter() - began
        self._behind.do(partial(self._save, task.name, task.images, mask, task.known, seconds, held))
        return held

    def _save(self, name: str, images: Images, mask: Mask, known: dict[str, str], seconds: float, held: int) -> None:
        """Write a mask and note it; runs in the last thread, as all do that note something."""
        began = time.perf_counter()
        try:
            volumes = mask.volumes
            seconds = round(seconds + time.perf_counter() - began, 3)
            with told_if_longer(
                self.model.options.stalled_seconds, f"{name}: writing its mask to {self.folder.output}"
            ):
                entry = self.folder.save(name, mask, {**known, "seconds": seconds, "volumes": volumes})
        except Exception as problem:  # noqa: BLE001  (whatever is wrong with one scan, the others go on)
            self._note_failure(name, *_reasons(images, problem))
        else:
            self._note(name, entry)
        finally:
            if mask.scores is not None:
                mask.scores.close()
            self._room.give(held)

    def _note_found(self, name: str, entry: dict[str, Any]) -> None:
        self.folder.register.add(name, entry)
        self.reused += 1
        self._note(name, entry)

    def _note(self, name: str, entry: dict[str, Any]) -> None:
        self.entries[name] = entry
        self.advance()

    def _hand_on_failure(self, name: str, images: Images, problem: Exception) -> None:
        self._behind.do(partial(self._note_failure, name, *_reasons(images, problem)))

    def _note_failure(self, name: str, reason: str, shown: str) -> None:
        self.folder.register.fail(name, reason)
        self._tell(name, shown)
        self.advance()

    def _foresee(self, task: Task, ready: Ready) -> None:
        """Tell what memory a mask will take where that is much more than was told before, and where it is not free."""
        need = need_of(task, ready, self._room.limit, 0 if self._told else LIBRARIES)
        if need.most <= MORE * self._told:
            return
        self._told = need.most
        free = available_memory()
        if need.more > free and not need.on_gpu:
            warn(
                f"{need}; {size_text(need.more)} of it are still to be taken, and {size_text(free)} are free: set "
                "inference.memory lower, or end other programs"
            )
        else:
            say(str(need))


def need_of(task: Task, ready: Ready, limit: int, loading: float) -> Need:
    """Return what memory a mask will take.

    Args:
        task: the scan whose logits come next.
        ready: how they are computed.
        limit: bytes of `inference.memory`.
        loading: bytes of what is used for the first time.
    """
    now, most = memory_used()
    work = ready.work
    ahead = task.upcoming if work.bytes + task.upcoming <= limit else 0
    windows, pieces = work.windows, work.pieces
    how = f"{windows} window{'s' * (windows > 1)} at once" + (f", rows in {pieces} pieces" if pieces > 1 else "")
    beside = f", {size_text(ahead)} for the next scan" if ahead else ""
    more = work.bytes + ahead + math.prod(ready.scan.grid.shape) + loading
    return Need(
        task.name,
        f"{size_text(work.bytes)} for logits and networks ({how}){beside}",
        # A larger scan that comes next is read where the one at hand was.
        max(most + max(0, task.upcoming - task.reading), now + more),
        more,
        any(stream.device.type != "cpu" for stream in ready.streams),
    )


def place_of(images: Images) -> Location:
    """Return where the first image of a scan lies."""
    return next(iter(images.values()))


def without_voxels(ready: Ready) -> Ready:
    """Return a prepared scan that keeps the geometry and headers of what was read, and lets its voxels go."""
    first, array = ready.scan.first, blank(ready.scan.array)
    return replace(ready, scan=replace(ready.scan, array=array, first=first.with_array(blank(first.array))))


def blank(voxels: NDArray[Any]) -> NDArray[Any]:
    """Return an array of the same shape and type that takes no memory."""
    return np.broadcast_to(np.zeros((), voxels.dtype), voxels.shape)


def _with_end(sized: Iterator[tuple[str, Images, int]]) -> Iterator[tuple[str, Images, int]]:
    yield from sized
    yield "", {}, 0


def _reasons(images: Images, problem: Exception) -> tuple[str, str]:
    """Return why a case failed, as the manifest says it and as it is shown."""
    reason = reason_of(problem)
    return without_folders(reason, (place.parent for place in images.values())), reason
