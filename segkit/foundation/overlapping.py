"""Work on one thing while the next is made ready and the last is put away, within a bound of memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Room:
    """Memory that several threads share.

    Args:
        limit: bytes that they take together; one alone may take more, as it would without the others.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.used, self._is_closed = limit, 0, False
        self._changed = threading.Condition()

    def take(self, amount: int) -> bool:
        """Wait until there is room for so many bytes, and take it; False where the room was closed meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self.used or self.used + amount <= self.limit)
            if not self._is_closed:
                self.used += amount
            return not self._is_closed

    def give(self, amount: int) -> None:
        """Give back what was taken."""
        with self._changed:
            self.used -= amount
            self._changed.notify_all()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Hold so many bytes for the length of the block."""
        is_held = self.take(amount)
        try:
            yield
        finally:
            if is_held:
                self.give(amount)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Ahead(Generic[T]):
    """What an iterator yields, made in a thread: the next one while the last one is worked on, and no more than that.

    Args:
        steps: runs in the thread; whatever it raises is raised by `take`.
    """

    def __init__(self, steps: Iterator[T]) -> None:
        self._steps = steps
        self._wanted = threading.Semaphore(1)
        self._made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def take(self) -> T | None:
        """Wait for the next one; None at the end. The one after it is begun by `go_on`.

        Raises:
            BaseException: whatever stopped the making of it.
        """
        value, problem = self._made.get()
        if problem is not None:
            raise problem
        return value

    def go_on(self) -> None:
        """Let the next one be begun."""
        self._wanted.release()

    def close(self) -> None:
        """Begin nothing more, and wait for what is in the making."""
        self._is_closed = True
        self._wanted.release()
        self._thread.join()

    def _run(self) -> None:
        problem: BaseException | None = None
        try:
            while self._wanted.acquire() and not self._is_closed:
                self._made.put((next(self._steps), None))
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001  (it is raised where the thread's work is taken)
            problem = error
        self._made.put((None, problem))


class Behind:
    """Puts things away in a thread, one after another; whoever hands over a third waits for the first."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(maxsize=1)
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="behind", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Have a job done; raises what an earlier one raised, after which no other is done."""
        self._check()
        self._jobs.put(job)

    def close(self) -> None:
        """Wait until all is done; raises as `do` does."""
        self._jobs.put(None)
        self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self._problem is None:
                    job()
            except BaseException as error:  # noqa: BLE001  (it is raised where the next job is handed over)
                self._problem = error
            del job  # what it put away is let go of before the next one comes
