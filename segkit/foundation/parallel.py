"""One function over many items in worker processes, where one bad item never takes the rest down."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Protocol, TypeVar

from segkit.foundation.console import told_if_longer, warn
from segkit.foundation.durations import format_duration
from segkit.foundation.errors import SegkitError, one_line
from segkit.foundation.machine import available_cores, available_memory
from segkit.foundation.working import attempt, work

Item = TypeVar("Item")
Value = TypeVar("Value")
_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 1.0  # between two looks at how long workers are at their items
KILLED = "the worker was killed, probably out of memory"


@dataclass(frozen=True)
class Outcome(Generic[Item, Value]):
    """What became of one item: `value`, or `error` in one line; `trace` for errors that nobody foresaw."""

    index: int
    item: Item
    value: Value | None
    error: str | None
    name: str = ""
    trace: str | None = None


Task = tuple[int, Any, str]  # its place, the item, and how that is called
Attempt = tuple[Any, str | None, str | None]  # a value; or the error in one line, and the trace of an unforeseen one


class Pool(Protocol):
    """Machines that a function is applied on instead of this one's processes."""

    def __call__(
        self, function: Callable[[Any], Any], tasks: Iterator[Task], *, workers: int | None, bytes_each: int
    ) -> Generator[Outcome[Any, Any], None, None]:
        """Yield what becomes of each task, as `parallel_map` does, by `attempt` on some machine."""


_elsewhere: ContextVar[Pool | None] = ContextVar("elsewhere", default=None)


@contextmanager
def elsewhere(pool: Pool) -> Iterator[None]:
    """Let `parallel_map` hand what it would do in worker processes to a pool, as long as the block lasts."""
    before = _elsewhere.set(pool)
    try:
        yield
    finally:
        _elsewhere.reset(before)


def parallel_map(
    function: Callable[[Item], Value],
    items: Iterable[Item],
    *,
    workers: int | None = None,
    bytes_each: int = 0,
    name: Callable[[Item], str] = str,
    limit: float | None = None,
) -> Generator[Outcome[Item, Value], None, None]:
    """Apply a function to each item, one item per worker process at a time; inside `elsewhere`, on other machines.

    Args:
        function: picklable when more than one worker runs; called with one item.
        items: taken one by one as workers become free, never all at once.
        workers: how many processes at most; None takes the cores this process may use. With 1 it all happens in
            this process.
        bytes_each: the memory in bytes that one item needs at its peak, of what is available now; 0 when it does not
            matter.
        name: how an item is called in messages.
        limit: seconds that a worker may be at one item, after which it is ended; None: as long as it takes. Work in
            this process cannot be ended, and that it takes longer is only said.

    Yields:
        Outcomes in the order of completion. An exception becomes `error`: the message of a SegkitError, others with
        their type before it. Where a worker is killed, its item is tried once more when the others are handed out, and
        a second death costs this item only.

    Raises:
        StoppedError: passed on when the function itself was stopped by a signal.
        SegkitError: when worker processes cannot start at all.
    """
    tasks = ((index, item, name(item)) for index, item in enumerate(items))
    pool = _elsewhere.get()
    if pool is not None and workers != 1:
        return pool(function, tasks, workers=workers, bytes_each=bytes_each)
    count = _worker_count(items, workers, bytes_each)
    if count == 1:
        if limit is None:
            return here(function, tasks)
        return (outcome(task, *_attempt_here(function, task, limit)) for task in tasks)
    return _in_processes(function, _Tasks(tasks), count, limit)


def here(
    function: Callable[[Any], Any], tasks: Iterator[Task], *, workers: int | None = None, bytes_each: int = 0
) -> Generator[Outcome[Any, Any], None, None]:
    """Apply a function to one item after another in this process: the pool of a worker, which has no workers itself."""
    return (outcome(task, *attempt(function, task[1])) for task in tasks)


def _worker_count(items: Iterable[Any], workers: int | None, bytes_each: int) -> int:
    if multiprocessing.current_process().daemon:  # a worker may not have workers
        return 1
    count = available_cores() if workers is None else workers
    if bytes_each > 0:
        count = min(count, available_memory() // bytes_each)
    if isinstance(items, Sized):
        count = min(count, len(items))
    return max(1, count)


def _attempt_here(function: Callable[[Any], Any], task: Task, limit: float | None) -> Attempt:
    with told_if_longer(limit, task[2]):
        return attempt(function, task[1])


def outcome(task: Task, value: Any, error: str | None, trace: str | None = None) -> Outcome[Any, Any]:
    """Return what became of a task, of what `attempt` returned."""
    index, item, name = task
    return Outcome(index=index, item=item, value=value, error=error, name=name, trace=trace)


class _Tasks(Iterator[Task]):
    """Items in their order; behind them those whose worker was killed, once more each: fewer run beside them then."""

    def __init__(self, tasks: Iterator[Task]) -> None:
        self._tasks, self._again, self._tried = tasks, deque[Task](), set[int]()

    def __next__(self) -> Task:
        task = next(self._tasks, None)
        if task is not None:
            return task
        if not self._again:
            raise StopIteration
        return self._again.popleft()

    def try_again(self, task: Task) -> bool:
        """Hand a task out once more; False where that was done already."""
        if task[0] in self._tried:
            return False
        self._tried.add(task[0])
        self._again.append(task)
        warn(f"{task[2]}: {KILLED}; it is tried once more")
        return True


@dataclass
class _Worker:
    """A worker process, the pipe to it, and the task in its hands since when."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    task: Task | None = None
    since: float = 0.0
    is_overdue: bool = False


def _in_processes(
    function: Callable[[Any], Any], tasks: _Tasks, count: int, limit: float | None
) -> Generator[Outcome[Any, Any], None, None]:
    pool: list[_Worker] = []
    threads = max(1, available_cores() // count)
    try:
        while True:
            yield from _hand_out(pool, tasks, count, function, threads)
            busy = {worker.pipe: worker for worker in pool if worker.task is not None}
            if not busy:
                return
            for pipe in wait(list(busy), timeout=None if limit is None else min(limit, _LOOK_SECONDS)):
                received = _receive(busy[pipe], pool, tasks)  # type: ignore[index]
                if received is None:
                    continue
                # The freed worker gets its next item before the caller looks at this result.
                yield from _hand_out(pool, tasks, count, function, threads)
                yield received
            if limit is not None:
                _end_overdue(pool, limit)
    finally:
        _stop(pool)


def _end_overdue(pool: list[_Worker], limit: float) -> None:
    """Kill the workers that have been at their item for longer than the limit."""
    for worker in pool:
        if worker.task is not None and not worker.is_overdue and time.monotonic() - worker.since > limit:
            worker.is_overdue = True
            worker.process.kill()


def _hand_out(
    pool: list[_Worker], tasks: Iterator[Task], count: int, function: Callable[[Any], Any], threads: int
) -> Iterator[Outcome[Any, Any]]:
    """Give every free worker an item, and start workers while there are fewer than `count`."""
    while len([worker for worker in pool if worker.task is not None]) < count:
        task = next(tasks, None)
        if task is None:
            return
        worker = next(filter(_is_free, pool), None) or _start(pool, function, threads)
        worker.task, worker.since = task, time.monotonic()
        try:
            with suppress(OSError):  # the worker died meanwhile: its pipe is at its end, and `_receive` says so
                worker.pipe.send(task[1])
        except Exception as error:  # noqa: BLE001  (pickling runs the item's own code)
            worker.task = None
            yield outcome(task, None, f"the item cannot be sent to a worker: {one_line(error)}")


def _is_free(worker: _Worker) -> bool:
    # One that was killed over an item may look alive for a moment more, with that item's result already handed in.
    return worker.task is None and not worker.is_overdue and worker.process.is_alive()


def _start(pool: list[_Worker], function: Callable[[Any], Any], threads: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, threads), daemon=True)
    if sys.platform != "win32":
        resource_tracker.ensure_running()  # starting it unblocks what we are about to block
    with _interrupts_blocked():
        process.start()
        worker = _Worker(process, ours)
        pool.append(worker)
    theirs.close()
    with suppress(OSError):
        ours.send(function)
    return worker


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    # A child inherits the mask, so Ctrl-C reaches the parent only, which then stops its workers.
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _receive(worker: _Worker, pool: list[_Worker], tasks: _Tasks) -> Outcome[Any, Any] | None:
    """Take one message from a worker: None for its sign of life, else what became of its item."""
    task = worker.task
    if task is None:
        return None
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        pool.remove(worker)
        cause = _cause_of_death(worker)
        return None if cause == KILLED and tasks.try_again(task) else outcome(task, None, cause)
    except Exception as error:  # noqa: BLE001  (unpickling runs the value's own code)
        worker.task = None
        return outcome(task, None, f"the result cannot be received: {one_line(error)}")
    if message is None:
        worker.ready = True
        return None
    worker.task = None
    return outcome(task, *message)


def _cause_of_death(worker: _Worker) -> str:
    worker.pipe.close()
    worker.process.join(_GRACE_SECONDS)
    if worker.process.exitcode is None:  # it closed its pipe and lives on
        worker.process.kill()
        worker.process.join()
    code = worker.process.exitcode or 0
    if code >= 0 and not worker.ready:
        raise SegkitError(
            "worker processes cannot start: call from a script under `if __name__ == '__main__':`, or use 1 worker"
        )
    if worker.is_overdue:
        return f"its worker was ended: it was at it for {format_duration(time.monotonic() - worker.since)}"
    if code == -9:
        return KILLED
    return f"the worker died of signal {-code}" if code < 0 else f"the worker ended with code {code}"


def _stop(pool: list[_Worker]) -> None:
    for worker in pool:
        if worker.task is None:
            worker.pipe.close()  # an idle worker ends by itself at the end of its pipe
        else:
            worker.process.terminate()
    for worker in pool:
        worker.process.join(_GRACE_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()
