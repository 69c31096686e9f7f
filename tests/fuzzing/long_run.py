"""Inputs without end for one reader, in a process of its own, so that a crash or a hang is noticed and counted."""

import logging
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Any

from tests.fuzzing.trying import BY_NAME, planted, tried

HUNG_SECONDS = 60.0  # a process that has said nothing for so long hangs where no signal reaches it
REAL = {"nifti": (".nii", ".nii.gz"), "nrrd": (".nrrd",), "metaimage": (".mha",)}
LARGEST = 200_000  # bytes of a real file that serves as a seed


def real_seeds(reader: str, data: Path, root: Path) -> None:
    """Add small real files to a reader's seeds."""
    for path in sorted(data.rglob("*")):
        if path.name.endswith(REAL.get(reader, ("/",))) and path.stat().st_size < LARGEST and "faulty" not in str(path):
            folder = root / f"real_{len(list(root.iterdir()))}"
            folder.mkdir()
            (folder / path.name).write_bytes(path.read_bytes())
        if len(list(root.iterdir())) > 40:
            break


def work(name: str, seconds: float, first: int, data: Path | None, pipe: Any) -> None:
    """Try inputs until the time is over; send the number of each, and what was found."""
    logging.disable(logging.CRITICAL)
    reader, end = BY_NAME[name], time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
        seeds = planted(reader, Path(folder, "seeds"))
        if data is not None and name in REAL:
            real_seeds(name, data, Path(folder, "seeds"))
            seeds = sorted(path for path in Path(folder, "seeds").iterdir() if path.is_dir())
        for number, finding in enumerate(tried(reader, seeds, count(first)), start=first):
            pipe.send((number, finding))
            if time.monotonic() > end:
                break
    pipe.send(None)


def fuzzed(name: str, seconds: float, first: int, data: Path | None) -> tuple[int, list[str]]:
    """Return how many inputs a reader was handed, and what was wrong with how it dealt with them."""
    found, number = [], first
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(name, seconds, first, data, sender), daemon=True)
    process.start()
    sender.close()
    try:
        while receiver.poll(HUNG_SECONDS) and (message := receiver.recv()) is not None:
            number, finding = message
            if finding is not None:
                found.append(f"{finding.number} {finding.seed}/{finding.file}: {finding.complaint}")
        if process.is_alive() and not receiver.poll(0) and message is not None:
            found.append(f"{number + 1}: hangs outside of Python")
    except EOFError:
        process.join()
        found.append(f"{number + 1}: the process ends with exit code {process.exitcode}")
    process.kill()
    return number + 1 - first, found


def guided(name: str, seconds: float) -> tuple[int, list[str]]:
    """Return the same of a run that coverage leads, for which atheris has to be installed."""
    kept = Path(tempfile.gettempdir(), "segkit_findings")
    with tempfile.TemporaryDirectory(prefix="guided_") as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzzing.guided", name, str(max(1, int(seconds))), str(kept)],
            env={**os.environ, "TMPDIR": folder}, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
    count = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    found = sorted({line for line in done.stdout.splitlines() if line.startswith(f"{name} ")})
    if done.returncode or count is None:
        found.append(f"the process ends with exit code {done.returncode}: {done.stderr[-300:]}")
    return int(count[1]) if count else 0, found
