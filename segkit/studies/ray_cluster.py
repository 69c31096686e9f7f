"""`launcher=ray`: trials, jobs of masks and single cases as tasks of a Ray cluster, here or on other machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from types import TracebackType
from typing import Any

from segkit.foundation.errors import MissingExtraError, StoppedError, one_line
from segkit.foundation.memory_size import amount_of
from segkit.foundation.parallel import KILLED as LOST
from segkit.foundation.parallel import Attempt, Outcome, Task, elsewhere, here, outcome
from segkit.foundation.working import attempt
from segkit.studies.engine import GRACE
from segkit.studies.local import command_of
from segkit.studies.remote import KILLED, RemoteTrial, exit_file, noted_exit_code
from segkit.studies.resources import Share
from segkit.studies.trial import Trial

MOST_TASKS = 1000  # that Ray is handed at a time, of one for each case


class RayJob:
    """A trial's task.

    Args:
        reference: to the exit code that it will return.
        trial: which.
    """

    def __init__(self, reference: Any, trial: Trial) -> None:
        self.reference, self.trial = reference, trial
        self.code: int | None = None

    def exit_code(self) -> int | None:
        """Return the exit code, None while it runs or queues; of a task that was cancelled, that of being stopped."""
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        if self.code is None and ray.wait([self.reference], timeout=0)[0]:
            try:
                self.code = int(ray.get(self.reference))
            except TaskCancelledError:
                noted = noted_exit_code(self.trial)
                self.code = StoppedError.exit_code if noted is None else noted
            except RayTaskError as error:
                with self.trial.output.open("a", encoding="utf-8") as output:
                    output.write(f"error: {why_not_begun(error)}\n")
                self.code = 1
            except RayError:  # its worker or its node is gone, and so are those that tried again
                self.code = KILLED
        return self.code

    def stop(self) -> None:
        """Ask it to save its state."""
        import ray

        ray.cancel(self.reference)

    def kill(self) -> None:
        """End its worker at once; its process notices, and ends too."""
        import ray

        ray.cancel(self.reference, force=True)

    def place(self) -> str:
        """Return that it is one of Ray's."""
        return "Ray"


class RayLauncher:
    """Runs trials as Ray tasks; the study's folder, the data and this environment must be the same on every node.

    Args:
        address: of a cluster (`auto`, `ray://HOST:10001`); None starts one here for as long as the study runs.
        parallel: tasks handed to Ray at a time; None: all, and Ray lets as many run as their resources allow.
        cores: CPU cores of each.
        gpus: GPUs of each.
        memory: that Ray sets aside for each, such as `8GB`; None: none.
        retries: how often a trial goes on elsewhere when its worker or node dies.

    Raises:
        MissingExtraError: when Ray is not installed.
    """

    def __init__(
        self, *, address: str | None = None, parallel: int | None = None, cores: int = 1, gpus: float = 0,
        memory: str | None = None, retries: int = 3,
    ) -> None:  # fmt: skip
        try:
            import ray  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("ray", "ray", "launcher=ray") from error
        self.address, self.parallel, self.cores = address, parallel, cores
        reserved = {"memory": amount_of(memory, key="launcher.memory")} if memory else {}
        self.options: dict[str, Any] = {"num_cpus": cores, "num_gpus": gpus, "max_retries": retries, **reserved}
        self.jobs: list[RayJob] = []

    def has_room(self) -> bool:
        """Say whether another task may be handed over."""
        return self.parallel is None or sum(job.exit_code() is None for job in self.jobs) < self.parallel

    def start(self, trial: Trial) -> RayJob:
        """Hand a trial over."""
        import ray

        exit_file(trial).unlink(missing_ok=True)
        share = Share(self.cores).of_each(trial.processes)
        run = RemoteTrial(command_of(trial), trial.output, exit_file(trial), share, GRACE)
        task = ray.remote(run_on_worker).options(**self.options, name=trial.name)
        self.jobs.append(RayJob(task.remote(run), trial))
        return self.jobs[-1]

    def places(self) -> int:
        """Return how many tasks run at a time: as many as are allowed, or as the cluster has room for now."""
        import ray

        there = ray.cluster_resources()  # type: ignore[no-untyped-call]
        rooms = [
            there.get(name, 0) // self.options[option]
            for name, option in (("CPU", "num_cpus"), ("GPU", "num_gpus"), ("memory", "memory"))
            if self.options.get(option)
        ]
        return self.parallel or max(1, int(min(rooms, default=1)))

    def apply(
        self, function: Callable[[Any], Any], tasks: Iterator[Task], *, workers: int | None, bytes_each: int
    ) -> Generator[Outcome[Any, Any], None, None]:
        """Apply a function to each item, each a task that Ray starts again elsewhere when its worker or node dies.

        Args:
            function: importable on every node; called with one item.
            tasks: taken as there is room for them.
            workers: tasks handed to Ray at a time; None: as the launcher says.
            bytes_each: the memory in bytes that one item needs, set aside unless the launcher says how much is.

        Yields:
            Outcomes in the order of completion.
        """
        import ray

        most = workers or self.parallel or MOST_TASKS
        work = ray.remote(attempt_alone).options(**self._reserving(bytes_each))
        shared, running = ray.put(function), dict[Any, Task]()
        try:
            while True:
                for task in islice(tasks, most - len(running)):
                    running[work.remote(shared, task[1])] = task
                if not running:
                    return
                (ended,), _ = ray.wait(list(running))
                yield outcome(running.pop(ended), *received(ended))
        finally:
            for reference in running:
                ray.cancel(reference)

    def _reserving(self, bytes_each: int) -> dict[str, Any]:
        """Return the options of a task that needs so much memory; never more than a node has, so that it starts."""
        import ray

        nodes = ray.nodes()  # type: ignore[no-untyped-call]
        there = max((node["Resources"].get("memory", 0.0) for node in nodes if node["Alive"]), default=0.0)
        return {"memory": min(bytes_each, int(there)), **self.options} if bytes_each else self.options

    def __enter__(self) -> RayLauncher:
        """Connect to the cluster, or start one here."""
        import ray

        own: dict[str, Any] = {} if self.address else {"include_dashboard": False}
        ray.init(address=self.address or "local", log_to_driver=False, logging_level=logging.WARNING, **own)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect; a cluster that was started here ends."""
        import ray

        ray.shutdown()


def run_on_worker(trial: RemoteTrial) -> int:
    """Run a trial in one of Ray's workers; stopped with the task."""
    try:
        return trial()
    except BaseException:
        trial.stop()
        raise


def attempt_alone(function: Callable[[Any], Any], item: Any) -> Attempt:
    """Call a function in one of Ray's workers, which starts no processes of its own."""
    with elsewhere(here):
        return attempt(function, item)


def why_not_begun(error: Any) -> str:
    """Say why a task could not even begin: the worker lacks a package, or does not see the study's folder."""
    return f"on a worker of Ray: {type(error.cause).__name__}: {one_line(error.cause)}"


def received(reference: Any) -> Attempt:
    """Return what a task attempted, or that its worker is gone, and so are those that tried again."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        result: Attempt = ray.get(reference)
    except RayTaskError as error:
        return None, why_not_begun(error), None
    except RayError:
        return None, LOST, None
    return result
