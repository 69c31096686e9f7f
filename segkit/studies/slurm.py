"""`launcher=slurm`: each trial is a Slurm job, saved and queued again when its time is up or it is pre-empted."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from segkit.foundation.console import warn
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import MissingExtraError, SegkitError, UsageError, one_line
from segkit.foundation.memory_size import amount_of
from segkit.studies.local import command_of
from segkit.studies.remote import KILLED, RemoteTrial, exit_file, noted_exit_code
from segkit.studies.resources import Share
from segkit.studies.trial import Trial

ASK_SECONDS = 2.0  # between two looks at the queue
SAVING_SECONDS = 90  # before the end of a job's time, in which its training is saved
NOTE_SECONDS = 60  # in which a note of how a job ended comes into sight: disks over a network show new files late
SHORTEST = 300  # seconds of a job: some are Slurm's, which looks at the time every half minute, some the start's
_MEGABYTE = 2**20


class SlurmJob:
    """A trial's job.

    Args:
        number: that Slurm gave it.
        trial: which.
        queue: looks jobs up.
    """

    def __init__(self, number: str, trial: Trial, queue: Queue) -> None:
        self.number, self.trial, self.queue = number, trial, queue
        self.code: int | None = None
        self.noted_by = float("inf")

    def exit_code(self) -> int | None:
        """Return what its machine noted once it has left the queue; killed where it noted nothing."""
        if self.code is None and self.queue.state(self.number) is None:
            now = time.monotonic()
            self.noted_by = min(self.noted_by, now + NOTE_SECONDS)
            self.code = noted_exit_code(self.trial)
            if self.code is None and now >= self.noted_by:
                self.code = KILLED
        return self.code

    def stop(self) -> None:
        """Ask it to save its state: Slurm sends SIGTERM, and kills what is left after its KillWait."""
        self.queue.ask("scancel", self.number)
        self.noted_by = 0.0  # one that never began has nothing to note

    def kill(self) -> None:
        """End it at once."""
        self.queue.ask("scancel", "--signal=KILL", "--full", self.number)

    def place(self) -> str:
        """Return its number and state."""
        state, _, reason = (self.queue.state(self.number) or "ENDED").partition(" ")
        return f"job {self.number} {state.lower()}" + (f" ({reason})" if reason not in ("", "None") else "")


class Queue:
    """Slurm's queue, looked at for all jobs at once and not too often."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.known: set[str] = set()
        self.asked_at = -ASK_SECONDS

    def add(self, number: str) -> None:
        """Follow a job."""
        self.known.add(number)
        self.states[number] = "PENDING"

    def state(self, number: str) -> str | None:
        """Return the state of a job and why it waits, None once it has left the queue."""
        if time.monotonic() - self.asked_at >= ASK_SECONDS:
            self._look()
        return self.states.get(number)

    def job_from(self, folder: Path) -> str | None:
        """Return the job that was submitted from a folder and has not left the queue; None where there is none."""
        if not folder.is_dir():
            return None
        asked = ("--noheader", "--format=%i %o", "--states=PENDING,RUNNING,SUSPENDED", f"--user={getpass.getuser()}")
        listed = self.ask("squeue", *asked) or ""
        jobs = (line.strip().partition(" ") for line in listed.splitlines())
        return next((number for number, _, script in jobs if Path(script).parent == folder), None)

    def _look(self) -> None:
        listed = self.ask("squeue", "--noheader", "--format=%i %T %r", f"--jobs={','.join(sorted(self.known))}")
        self.asked_at = time.monotonic()
        if listed is not None:  # a controller that does not answer for a while says nothing of its jobs
            self.states = dict(line.split(maxsplit=1) for line in listed.splitlines() if line.strip())

    def ask(self, *command: str) -> str | None:
        """Run one of Slurm's commands; None where it failed."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 or "Invalid job id" in done.stderr:  # it has left the queue long ago
            return done.stdout
        warn(f"{command[0]}: {one_line(done.stderr)}")
        return None


class SlurmLauncher:
    """Submits trials to Slurm; the study's folder, the data and this environment must be the same on every node.

    Args:
        parallel: jobs that are queued or run at a time; None: all.
        time: limit of one job, such as `24h`. A training that needs longer is saved before, and goes on in a new one.
        requeues: how often it may.
        partition: of the cluster; None: its default.
        account: that is charged; None: the default.
        gpus: of each job.
        cores: of each job.
        memory: of each job, such as `32GB`; None: the cluster's default.
        setup: lines of shell before the training, such as `module load cuda`.
        options: further options of sbatch by name, such as `{qos: high, constraint: a100}`.

    Raises:
        MissingExtraError: when submitit is not installed.
        UsageError: when this machine has no Slurm, or an option cannot be.
    """

    def __init__(
        self, *, parallel: int | None = None, time: str = "24h", requeues: int = 20, partition: str | None = None,
        account: str | None = None, gpus: int = 0, cores: int = 1, memory: str | None = None,
        setup: Sequence[str] = (), options: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("submitit", "slurm", "launcher=slurm") from error
        if shutil.which("sbatch") is None:
            raise UsageError("launcher=slurm: there is no sbatch here; start the study on a machine that submits jobs")
        self.parallel, self.requeues, self.queue = parallel, requeues, Queue()
        self.jobs: list[SlurmJob] = []
        seconds = parse_duration(time)
        if seconds < SHORTEST:
            raise UsageError(
                f"launcher.time={time}: a training is saved {SAVING_SECONDS} s before its job ends, which leaves "
                f"nothing of so short a one; pass {SHORTEST // 60}min or more"
            )
        megabytes = max(1, amount_of(memory, key="launcher.memory") // _MEGABYTE) if memory else None
        self.parameters: dict[str, Any] = {
            "time": round(seconds / 60), "partition": partition, "account": account,
            "gpus_per_node": gpus or None, "cpus_per_task": cores, "mem": f"{megabytes}M" if megabytes else None,
            "setup": list(setup), "additional_parameters": dict(options or {}), "signal_delay_s": SAVING_SECONDS,
        }  # fmt: skip

    def has_room(self) -> bool:
        """Say whether another job may be submitted."""
        return self.parallel is None or sum(job.exit_code() is None for job in self.jobs) < self.parallel

    def places(self) -> int:
        """Return how many jobs work at a time.

        Raises:
            UsageError: when that is not said: a queue has no number of places.
        """
        if self.parallel is None:
            raise UsageError("launcher.parallel is not set: pass into how many jobs the scans are divided")
        return self.parallel

    def start(self, trial: Trial) -> SlurmJob:
        """Submit a trial; the job of a study that was killed is followed where it still queues or runs.

        Raises:
            SegkitError: when Slurm does not take it.
        """
        folder = trial.config.parent / "slurm"
        number = self.queue.job_from(folder) or self._submitted(trial, folder)
        self.queue.add(number)
        self.jobs.append(SlurmJob(number, trial, self.queue))
        return self.jobs[-1]

    def _submitted(self, trial: Trial, folder: Path) -> str:
        from submitit import SlurmExecutor

        executor = SlurmExecutor(folder, max_num_timeout=self.requeues)
        exit_file(trial).unlink(missing_ok=True)
        share = Share(self.parameters["cpus_per_task"]).of_each(trial.processes)
        run = RemoteTrial(command_of(trial), trial.output, exit_file(trial), share, SAVING_SECONDS - 15)
        given = {key: value for key, value in self.parameters.items() if value is not None}
        try:
            executor.update_parameters(**given, job_name=f"segkit {trial.name}"[:60])
            return executor.submit(run).job_id
        except (ValueError, RuntimeError) as error:
            raise SegkitError(f"launcher=slurm: {trial.name} was not submitted: {one_line(error)}") from error

    def __enter__(self) -> SlurmLauncher:
        """Nothing to get hold of."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to let go of: every job has left the queue."""
