"""What runs a trial on a machine of a cluster: its process, and a note of how that ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from segkit.foundation.errors import StoppedError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_json
from segkit.foundation.tether import tethered
from segkit.studies.resources import Share
from segkit.studies.trial import Trial

EXIT_FILE = "exit.json"
KILLED = -9  # exit code of what left no note of how it ended
_POLL_SECONDS = 0.2


def exit_file(trial: Trial) -> Path:
    """Return the file in which a trial's machine notes how it ended."""
    return trial.config.with_name(EXIT_FILE)


def noted_exit_code(trial: Trial) -> int | None:
    """Return the exit code that a trial's machine noted, None where there is none."""
    path = exit_file(trial)
    noted = load_json(path) if path.is_file() else None
    code = noted.get("exit_code") if isinstance(noted, dict) else None
    return code if isinstance(code, int) else None


class RemoteTrial:
    """Runs a trial's process when it is called, and stops it in good order when its time is nearly up.

    Args:
        command: of the trial.
        output: file that takes what it prints.
        exit: file that takes its exit code.
        share: what each of its processes may use.
        grace: seconds that it has to save its state.
    """

    def __init__(self, command: Sequence[str], output: Path, exit: Path, share: Share, grace: float) -> None:  # noqa: A002
        self.command, self.output, self.exit = list(command), output, exit
        self.share, self.grace = share, grace
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self) -> int:
        """Run it to its end; returns its exit code."""
        self.exit.unlink(missing_ok=True)
        environment = tethered(self.share.environment(os.environ))  # so that it ends when we are killed
        with self.output.open("ab") as output, _left_to_us("SIGUSR1", "SIGUSR2"):
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment
            )
        # Asked again and again, since a signal's handler must be able to wait for it too.
        while (code := self.process.poll()) is None:
            time.sleep(_POLL_SECONDS)
        write_json(self.exit, {"exit_code": code})
        return code

    def stop(self) -> None:
        """Let it save its state and end; kill it when it does not."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(self.grace)
        self.process.kill()

    def checkpoint(self) -> Any:
        """Stop it, and hand over what goes on with it: submitit calls this when the job's time is nearly up.

        What came to its end meanwhile, whichever, is noted, and nothing goes on.
        """
        from submitit.helpers import DelayedSubmission

        self.stop()
        code = self.process.wait() if self.process else None
        if code is not None and code >= 0 and code != StoppedError.exit_code:
            write_json(self.exit, {"exit_code": code})
            return None
        return DelayedSubmission(RemoteTrial(self.command, self.output, self.exit, self.share, self.grace))


@contextmanager
def _left_to_us(*names: str) -> Iterator[None]:
    """Keep signals that a cluster sends to all processes of a job from ending those started in the block."""
    numbers = [signal.Signals[name] for name in names]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
