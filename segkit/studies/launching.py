"""What every launcher offers: `launcher=local|slurm|ray` each name a class of this shape in one yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol

from segkit.config.targets import import_target
from segkit.foundation.errors import UsageError
from segkit.foundation.parallel import Pool, elsewhere
from segkit.studies.resources import visible_gpus
from segkit.studies.trial import Trial

_LEAST = {"parallel": 1, "cores": 1, "gpus": 0, "retries": 0, "requeues": 0}


class Job(Protocol):
    """A trial that was started, wherever it runs."""

    def exit_code(self) -> int | None:
        """Return the exit code of its process, negative for the signal that killed it; None while it runs or queues."""

    def stop(self) -> None:
        """Ask it to save its state and leave; returns at once."""

    def kill(self) -> None:
        """End it at once, with every process it started."""

    def place(self) -> str:
        """Return where it runs, in a word or two, for the table: `cores 0-3`, `GPU 1`, `job 17 queued`."""


class Launcher(Protocol):
    """Where trials run."""

    def has_room(self) -> bool:
        """Say whether another trial can start now."""

    def places(self) -> int:
        """Return how many run at a time, as far as that can be known: into so many jobs a cohort is divided.

        Raises:
            UsageError: when it cannot, and the user has not said.
        """

    def start(self, trial: Trial) -> Job:
        """Start a trial in a fresh process; what it prints is appended to `trial.output`.

        Raises:
            SegkitError: when it cannot be started here at all.
        """

    def __enter__(self) -> Launcher:
        """Get hold of what trials run on."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of it; every job has ended by then."""


def build_launcher(options: Mapping[str, Any], devices: int = 1) -> Launcher:
    """Return the launcher that `launcher=...` configures.

    Args:
        options: its `_target_` and arguments.
        devices: processes of a trial, each of which gets a GPU where there are any and `launcher.gpus` says nothing.

    Raises:
        UsageError: when there is no such target, a number cannot be, the machine does not have what is asked for, or a
            trial would have fewer GPUs than processes.
    """
    arguments = dict(options)
    target = str(arguments.pop("_target_"))
    for name, least in _LEAST.items():
        if isinstance(number := arguments.get(name), int | float) and number < least:
            raise UsageError(f"launcher.{name}={number}: pass {least} or more")
    gpus = arguments.get("gpus")
    if gpus and gpus < devices:
        raise UsageError(f"training.devices={devices} takes a GPU for each process: pass launcher.gpus={devices}")
    if "gpus" in arguments and gpus is None and devices > 1 and visible_gpus():
        arguments["gpus"] = devices
    try:
        launcher: Launcher = import_target(target)(**arguments)
    except TypeError as error:
        raise UsageError(f"launcher: {target} does not take these options: {error}") from error
    return launcher


@contextmanager
def cases_spread(options: Mapping[str, Any] | None) -> Iterator[None]:
    """Have what a command does to one case after another done where `launcher=...` says.

    A launcher that takes single cases is a `Pool` by its method `apply`: `ray`. By others they stay on this machine.

    Args:
        options: as `build_launcher` takes them; None: this machine.
    """
    target = import_target(str(options["_target_"])) if options else None
    if options is None or not hasattr(target, "apply"):
        yield
        return
    with build_launcher(options) as launcher:
        pool: Pool = launcher.apply  # type: ignore[attr-defined]
        with elsewhere(pool):
            yield
