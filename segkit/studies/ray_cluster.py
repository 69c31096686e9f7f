"""`launcher=ray`: each trial is a task of a Ray cluster, this machine's own or a remote one."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any

from segkit.foundation.errors import MissingExtraError, StoppedError
from segkit.foundation.memory_size import amount_of
from segkit.studies.local import training_command
from segkit.studies.remote import RemoteTrial, exit_file, noted_exit_code
from segkit.studies.trial import Trial

GRACE = 60.0  # seconds that a trial has to save its state
KILLED = -9


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
        from ray.exceptions import RayError, TaskCancelledError

        if self.code is None and ray.wait([self.reference], timeout=0)[0]:
            try:
                self.code = int(ray.get(self.reference))
            except TaskCancelledError:
                noted = noted_exit_code(self.trial)
                self.code = StoppedError.exit_code if noted is None else noted
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
        run = RemoteTrial(training_command(trial), trial.output, exit_file(trial), self.cores, GRACE)
        task = ray.remote(run_on_worker).options(**self.options, name=trial.name)
        self.jobs.append(RayJob(task.remote(run), trial))
        return self.jobs[-1]

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
