"""Commands killed at seeded moments, run again, and compared with their uninterrupted result.

A moment is the n-th time that the command opens a file for writing, renames, removes or makes something in its folders,
and a few milliseconds after it: there something is half done. From such a moment on the disk may also be full, or
broken: then the command has to say so in a line, and the state before it has to be whole. Each attempt is a copy (fork)
of one process that has imported everything once, so that a hundred take minutes.
`python -m tests.faults.killing [count] [seed]`
"""

import atexit
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
LONGEST_DELAY = 0.02  # seconds between the event and the kill
SMALL = ("network.features=[4,8]", "plan.patch=[16,16,16]")
# What tells of times, and differs between two honest runs.
UNSTEADY = re.compile(r"seconds: [\d.]+")
NOT_COMPARED = (
    "used.json",
    "log.txt",
    "environment.json",
    "status.json",
    "progress.png",
    "worst.png",
    "predictions.parquet",
    ".lock",
)


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
        name: of it.
        words: as typed, in the folder of the attempt.
        needs: what is copied there first, from where earlier commands left it.
        makes: what is compared, files or folders.
    """

    name: str
    words: Sequence[str]
    needs: Sequence[str]
    makes: Sequence[str]


def cohort(root: Path) -> None:
    """Write six small scans of a bright ball with their references."""
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True)
    for index in range(6):
        draw = np.random.default_rng(index)
        grid = np.stack(np.meshgrid(*[np.arange(n) for n in (20, 18, 17)], indexing="ij"))
        reference = (((grid - draw.uniform(6, 11, (3, 1, 1, 1))) ** 2).sum(0) < 20).astype(np.uint8)
        image = (reference * 100 + draw.normal(0, 20, reference.shape)).astype(np.int16)
        nib.save(nib.Nifti1Image(image, np.eye(4)), root / "images" / f"ball_{index}.nii.gz")
        nib.save(nib.Nifti1Image(reference, np.eye(4)), root / "labels" / f"ball_{index}.nii.gz")
    (root / "held_out.txt").write_text("ball_4\nball_5\n")


def commands(data: Path) -> list[Command]:
    """Return the commands in the order in which each finds what it needs."""
    options = (
        "data=paired", f"data.root={data}", "data.labels={background: 0, ball: 1}", "workers=1", "device=cpu",
        f"data.split.held_out={data / 'held_out.txt'}", *SMALL,
    )  # fmt: skip
    training = (
        "training.precision=32", "inference.precision=32", "training.steps=9", "training.checkpoint_every=3",
        "training.workers=0", "data.split.folds=2",
    )  # fmt: skip
    return [
        Command("prepare", ["prepare", *options], [], ["cache"]),
        Command("train", ["train", *options, *training, "training.fold=0", "output=run"], ["cache"], ["run"]),
        Command(
            "predict", ["predict", "run=run", f"input={data / 'images'}", "output=masks", "device=cpu"],
            ["run"], ["masks"],
        ),
        Command(
            "evaluate",
            ["evaluate", "predictions=masks", f"references={data / 'labels'}", "output=scores", "workers=1"],
            ["masks"], ["scores"],
        ),
        Command("package", ["package", "run=run", "output=ball.segkit"], ["run"], ["ball.segkit"]),
    ]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """What happens to an attempt.

    Attributes:
        at: number of the event, from 1.
        delay: seconds after it, of a kill.
        number: the error of everything that is written from then on (ENOSPC, EIO); None: the process is killed.
    """

    at: int
    delay: float = 0.0
    number: int | None = None

    def strike(self, count: int, is_write: bool) -> None:
        """Do it, where this event is the one.

        Raises:
            OSError: of a disk that is full or broken.
        """
        if self.number is not None:
            if count >= self.at and is_write:
                raise OSError(self.number, os.strerror(self.number))
        elif count == self.at and self.delay:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process as SIGKILL does, wherever it is
            signal.setitimer(signal.ITIMER_REAL, self.delay)
        elif count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


def attempt(folder: Path, words: Sequence[str], fault: Fault | None = None) -> tuple[int, int]:
    """Run a command in a copy of this process; return its exit code (-9 or -14 when killed) and the events it had.

    Args:
        folder: in which it is typed; its cache lies there too.
        words: of the command.
        fault: what happens to it; None: it is left alone.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        os._exit(_run(folder, words, fault, writes))
    os.close(writes)
    with os.fdopen(reads, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), int(told or 0)


def _run(folder: Path, words: Sequence[str], fault: Fault | None, pipe: int) -> int:
    os.chdir(folder)
    os.environ["SEGKIT_CACHE"] = str(folder / "cache")
    silent = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    own, count = os.path.realpath(folder), 0

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        is_write = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & WRITES)
        if not (is_write or event in CHANGES) or not isinstance(arguments[0], str | os.PathLike):
            return
        if os.path.realpath(arguments[0]).startswith(own):
            count += 1
            if fault is not None:
                fault.strike(count, is_write)

    sys.addaudithook(hear)
    from segkit.cli import main

    code = main(list(words))
    signal.setitimer(signal.ITIMER_REAL, 0)
    atexit._run_exitfuncs()  # which os._exit would skip
    os.write(pipe, str(count).encode())
    return code


def contents(folder: Path, makes: Sequence[str]) -> dict[str, str]:
    """Return a hash of each file below what a command makes, without what differs between two honest runs."""
    found = [path for made in makes for path in [folder / made, *sorted((folder / made).rglob("*"))] if path.is_file()]
    files = [
        path for path in found if path.parent.name != "in_use"
    ]  # a mark for each process, which the next one removes
    return {path.relative_to(folder).as_posix(): _steady(path, folder) for path in files}


def _steady(path: Path, folder: Path) -> str:
    if path.name in NOT_COMPARED or path.suffix == ".ckpt":
        return "there"
    content = path.read_bytes()
    if path.suffix in (".json", ".yaml", ".csv"):
        text = UNSTEADY.sub("", content.decode()).replace(str(folder), "")
        if path.suffix == ".json":  # cases may stand in the order in which they were done
            text = json.dumps(json.loads(text, object_hook=_without_times), sort_keys=True)
        if path.name == "metrics.csv":
            steps = [row.split(",") for row in text.splitlines()]
            text = json.dumps([[row[0], *row[2:3]] for row in steps])
        content = text.encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _without_times(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name != "seconds"}


def drawn(draw: np.random.Generator, events: int) -> Fault:
    """Draw a fault: two of three are kills."""
    at, delay = 1 + int(draw.integers(events)), float(draw.choice([0.0, draw.uniform(0.0005, LONGEST_DELAY)]))
    number = (None, None, errno.ENOSPC, None, None, errno.EIO)[int(draw.integers(6))]
    return Fault(at, 0.0 if number else delay, number)


def is_told(fault: Fault, code: int, said: str) -> bool:
    """Tell whether a command that met a disk's fault ended as it should: with a line that names it, or not at all."""
    if fault.number is None or code == 0:  # what came too late, or concerned what a command can do without
        return True
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    return code == 1 and any(os.strerror(fault.number).lower() in line.lower() for line in errors)


def survived(command: Command, whole: Path, folder: Path, faults: Sequence[Fault]) -> str:
    """Let faults happen to a command, run it again, and compare; return what is wrong, "" where nothing is."""
    folder.mkdir()
    for name in command.needs:
        (shutil.copytree if (whole / name).is_dir() else shutil.copy)(whole / name, folder / name)
    wrong = []
    for fault in faults:
        code, _ = attempt(folder, command.words, fault)
        if not is_told(fault, code, (folder / "said.txt").read_text(errors="replace")):
            wrong.append(f"{fault} gave exit {code}")
    code, _ = attempt(folder, command.words)
    here, there = contents(folder, command.makes), contents(whole, command.makes)
    differing = sorted({name for name in {*here, *there} if here.get(name) != there.get(name)})
    said = (folder / "said.txt").read_text(errors="replace")
    shutil.rmtree(folder)
    if code or differing or wrong or "Traceback" in said:
        return f"{command.name}, {faults}: {wrong}, exit {code}, other: {differing[:4]}, said: {said[-600:]!r}"
    return ""


def main() -> int:
    """Kill each command in turn; print how often, and what was lost."""
    kills, seed = (int(word) for word in (*sys.argv[1:3], *("10", "0")[len(sys.argv[1:3]) :]))
    os.environ["OMP_NUM_THREADS"] = os.environ["SEGKIT_WORKERS"] = "1"
    import pytorch_lightning  # noqa: F401

    import segkit.commands.evaluate
    import segkit.commands.package
    import segkit.commands.predict
    import segkit.commands.prepare
    import segkit.commands.train  # noqa: F401

    room = Path(
        tempfile.mkdtemp(prefix="kills_")
    ).resolve()  # no TemporaryDirectory: each attempt's exit would remove it
    try:
        return tried(room, kills, np.random.default_rng(seed))
    finally:
        shutil.rmtree(room)


def tried(room: Path, kills: int, draw: np.random.Generator) -> int:
    """Let faults happen to each command in turn; return the exit code."""
    lost, happened, events = 0, Counter[str](), {}
    cohort(room / "data")
    whole = room / "whole"
    whole.mkdir()
    listed = commands(room / "data")
    for command in listed:
        code, events[command.name] = attempt(whole, command.words)
        if code:
            print((whole / "said.txt").read_text())
            return 2
    for number in range(kills):
        command = listed[number % len(listed)]
        faults = [drawn(draw, events[command.name]) for _ in range(1 + int(draw.integers(4) == 0))]
        happened.update("kill" if fault.number is None else errno.errorcode[fault.number] for fault in faults)
        wrong = survived(command, whole, room / "again", faults)
        if wrong:
            lost += 1
            print(wrong, flush=True)
    print(
        f"{kills} commands, {kills - lost} ended as the uninterrupted ones; faults: {dict(happened)}; events: {events}"
    )
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
