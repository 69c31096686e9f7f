"""Runs trials as they are submitted, watches them, and stops them all when it is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

from segkit.foundation.errors import DataError, SegkitError, StoppedError
from segkit.foundation.strangers import load_json
from segkit.runs.folder import RunFolder
from segkit.studies.launching import Job, Launcher
from segkit.studies.progress import MetricsReader, Progress
from segkit.studies.trial import Result, Trial

GRACE = 60.0  # seconds that trials have to save their state when they are asked to stop
_POLL_SECONDS = 0.1
_TAIL_BYTES = 1 << 14
_ERROR = "error: "


@dataclass
class Underway:
    """A trial that runs or queues.

    Attributes:
        trial: which.
        job: its process, wherever it is.
        began: `time.monotonic()` at its start.
        metrics: follows its metrics.csv.
        output_from: bytes that earlier attempts had printed.
        stopped_because: why it was asked to stop; None where it was not.
    """

    trial: Trial
    job: Job
    began: float
    metrics: MetricsReader
    output_from: int = 0
    stopped_because: str | None = None

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self.began


class Engine:
    """Runs trials, each in a fresh process on its own share of the machine.

    Use it as a context: when the block is left, by Ctrl-C too, every trial under way is asked to save its state, and
    killed when it has not ended after a minute. Trials may be submitted at any time and one depending on another:

        with Engine(build_launcher(config.launcher)) as engine:
            while engine.has_room() and more_wanted():
                engine.submit(write_trial(study, name, words, config))
            for result in engine.wait(timeout=1.0):       # those that ended, maybe none
                tell(result.trial.name, result.exit_code, result.progress.best_dice)
            for name in engine.running:
                validations = engine.progress(name).validations   # step, seconds, dice
                if is_hopeless(validations):
                    engine.stop(name, because="pruned")    # ends with state `stopped`, its checkpoint saved

    A killed study leaves nothing running: a trial whose parent is gone saves its state and ends.

    Args:
        launcher: where trials run; it is entered and left with the engine.
    """

    def __init__(self, launcher: Launcher) -> None:
        self.launcher = launcher
        self._running: dict[str, Underway] = {}

    @property
    def running(self) -> Mapping[str, Underway]:
        """The trials that run or queue, by name, the longest running first."""
        return self._running

    def has_room(self) -> bool:
        """Say whether the launcher has room for another trial now."""
        return self.launcher.has_room()

    def submit(self, trial: Trial) -> None:
        """Start a trial; a run folder with a checkpoint goes on from it.

        Raises:
            ValueError: when a trial of that name is under way.
            SegkitError: when no process can be started.
        """
        if trial.name in self._running:
            raise ValueError(f"a trial called {trial.name} is under way already")
        printed = trial.output.stat().st_size if trial.output.exists() else 0
        job = self.launcher.start(trial)
        metrics = MetricsReader(RunFolder(trial.run).metrics)
        self._running[trial.name] = Underway(trial, job, time.monotonic(), metrics, printed)

    def progress(self, name: str) -> Progress:
        """Return how far a trial under way is, with every validation so far."""
        return self._running[name].metrics.read()

    def wait(self, timeout: float) -> list[Result]:
        """Return the trials that ended since the last call, as soon as there are any.

        Args:
            timeout: seconds after which an empty list is returned.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = [(each, code) for each in self._running.values() if (code := each.job.exit_code()) is not None]
            if ended or time.monotonic() >= deadline:
                return [self._ended(each, code) for each, code in ended]
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))

    def stop(self, name: str, because: str) -> None:
        """Ask a trial to save its state and leave; its result comes from `wait` as that of any other.

        Args:
            name: of a trial under way.
            because: the reason that its result will bear.
        """
        self._running[name].stopped_because = because
        self._running[name].job.stop()

    def run(
        self, trials: Sequence[Trial], started: Callable[[Trial], object] = lambda _: None,
        watched: Callable[[], object] = lambda: None,
    ) -> Iterator[Result]:  # fmt: skip
        """Run trials in their order, as many at a time as there is room for, and yield results as they end.

        Args:
            trials: to run.
            started: called when one has started.
            watched: called about once a second.
        """
        waiting = list(trials)
        while waiting or self._running:
            while waiting and self.has_room():
                trial = waiting.pop(0)
                try:
                    self.submit(trial)
                except StoppedError:
                    raise
                except SegkitError as error:  # a queue that takes no job now may take the next one
                    yield Result(trial, error.exit_code, 0.0, str(error))
                else:
                    started(trial)
            watched()
            yield from self.wait(timeout=1.0)

    def _ended(self, underway: Underway, exit_code: int) -> Result:
        del self._running[underway.trial.name]
        reason = None if exit_code == 0 else underway.stopped_because or reason_of(underway, exit_code)
        return Result(underway.trial, exit_code, underway.seconds, reason, underway.metrics.read())

    def __enter__(self) -> Engine:
        """Get hold of the launcher."""
        self.launcher.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what runs, kill what does not stop, let go of the launcher."""
        try:
            self._stop_all()
        finally:
            for underway in self._running.values():
                underway.job.kill()
            self._running.clear()
            self.launcher.__exit__(kind, error, trace)

    def _stop_all(self) -> None:
        for underway in self._running.values():
            underway.job.stop()
        deadline = time.monotonic() + GRACE
        while self._running and time.monotonic() < deadline:
            self.wait(timeout=deadline - time.monotonic())


def reason_of(underway: Underway, exit_code: int) -> str | None:
    """Return why a trial failed, in one line: its last `error:`, else what its run folder says, else its signal."""
    if exit_code < 0:
        return "killed, perhaps because memory ran out" if exit_code == -9 else None
    said = _last_error(underway)
    if said:
        return said
    try:
        status = load_json(RunFolder(underway.trial.run).status)
    except (DataError, OSError):
        return None
    reason = status.get("reason") if isinstance(status, dict) else None
    return str(reason) if reason else None


def _last_error(underway: Underway) -> str | None:
    output = underway.trial.output
    if not output.exists():
        return None
    with output.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(underway.output_from, size - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    return errors[-1].strip() if errors else None
