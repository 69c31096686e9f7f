"""The launcher `local`: trials on this machine, one after another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from segkit.foundation.console import say
from segkit.studies.trial import Result, Trial

GRACE = 60.0  # seconds that a trial has to save its state when the sweep is stopped


def launch(trials: Sequence[Trial]) -> Iterator[Result]:
    """Run each trial in a fresh process and say how it stands.

    Args:
        trials: composed and checked; their configs are on disk.

    Yields:
        A result as soon as its trial ended, in order. When the sweep is stopped, the trial under way is too.
    """
    for number, trial in enumerate(trials, start=1):
        say(f"trial {number} of {len(trials)}: {trial.name}")
        began = time.monotonic()
        yield Result(trial, _run(trial), time.monotonic() - began)


def _run(trial: Trial) -> int:
    # A process group of its own keeps the terminal's Ctrl-C from reaching the trial: we pass one signal on, once.
    child = subprocess.Popen(training_command(trial), process_group=0, stdin=subprocess.DEVNULL)
    try:
        return child.wait()
    except BaseException:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
        raise
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


def training_command(trial: Trial) -> list[str]:
    """Return the command line that trains a trial in a process of its own."""
    # `python -m` puts the working directory before all packages; only a parent that runs so itself wants that.
    isolated = [] if {"", os.getcwd()} & set(sys.path) else ["-P"]  # noqa: PTH109
    return [sys.executable, *isolated, "-m", "segkit", "train", "--config", str(trial.config)]
