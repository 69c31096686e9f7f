"""Commands killed at seeded moments, run again, and compared with their uninterrupted result.

A moment is the n-th time that the command opens a file for writing, renames, removes or makes something in its folders,
and a few milliseconds after it: there something is half done. From such a moment on the disk may also be full, or
broken: then the command has to say so in a line, and the state before it has to be whole. Each attempt is a copy (fork)
of one process that has imported everything once, so that a hundred take minutes; the trials of a sweep are processes of
their own, and faults happen to them, to the sweep itself, or to the sweep at a moment of a trial's.
`python -m tests.faults.killing [count] [seed] [command]`
"""

import argparse
import errno
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from tests.faults.comparing import contents, litter
from tests.faults.striking import Fault, attempt

LONGEST_DELAY = 0.02  # seconds between the event and the kill
SMALL = ("network.features=[4,8]", "plan.patch=[16,16,16]")
TRIALS = ("seed=1", "seed=2")


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
        name: of it.
        words: as typed, in the folder of the attempt.
        needs: what is copied there first, from where earlier commands left it.
        makes: what is compared, files or folders.
        goes_on: what may be typed instead of the same words once the first file is there, both of them or none.
        trials: names of what it starts in processes of their own.
    """

    name: str
    words: Sequence[str]
    needs: Sequence[str]
    makes: Sequence[str]
    goes_on: tuple[str, Sequence[str]] | None = None
    trials: Sequence[str] = ()


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
        "training.precision=32", "inference.precision=32", "training.checkpoint_every=3",
        "training.workers=0", "data.split.folds=2", "training.fold=0",
    )  # fmt: skip
    swept = f"seed={','.join(trial.removeprefix('seed=') for trial in TRIALS)}"
    return [
        Command("prepare", ["prepare", *options], [], ["cache"]),
        Command("train", ["train", *options, *training, "training.steps=9", "output=run"], ["cache"], ["run"]),
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
        Command(  # both trials prepare the cases, at the same time
            "sweep",
            ["train", "-m", *options, *training, "training.steps=5", swept, "launcher.parallel=2", "output=study"],
            [], ["study", "cache"], ("study/study.json", ["train", "-m", "study.resume=study"]), TRIALS,
        ),
    ]  # fmt: skip


def drawn(draw: np.random.Generator, events: int, trial_events: int, trials: Sequence[str]) -> Fault:
    """Draw a fault: two of three are kills.

    Of a command with trials two of three befall one of these, or, each second kill of them, the command at a moment of
    the trial's: run again at once, it meets the trial that is still ending.
    """
    trial = str(draw.choice(trials)) if trials and draw.random() < 2 / 3 else None
    at = 1 + int(draw.integers(trial_events if trial else events))
    delay = float(draw.choice([0.0, draw.uniform(0.0005, LONGEST_DELAY)]))
    number = (None, None, errno.ENOSPC, None, None, errno.EIO)[int(draw.integers(6))]
    of_parent = trial is not None and number is None and draw.random() < 0.5
    return Fault(at, 0.0 if number or of_parent else delay, number, trial, of_parent)


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
    code, _ = attempt(folder, _again(command, folder, sum(fault.at for fault in faults)))
    here, there = contents(folder, command.makes), contents(whole, command.makes)
    differing = sorted({name for name in {*here, *there} if here.get(name) != there.get(name)})
    left = litter(folder, whole)
    said = (folder / "said.txt").read_text(errors="replace")
    if code or differing or left or wrong or "Traceback" in said:
        other = f"other: {differing[:4]}, litter: {left[:4]}"
        return f"{command.name}, {faults}: {wrong}, exit {code}, {other}, said: {said[-600:]!r}"
    shutil.rmtree(folder)
    return ""


def _again(command: Command, folder: Path, chance: int) -> Sequence[str]:
    """Return what is typed after the faults: the same words, or each second time what goes on instead."""
    if command.goes_on and chance % 2 and (folder / command.goes_on[0]).exists():
        return command.goes_on[1]
    return command.words


def main() -> int:
    """Kill each command in turn; print how often, and what was lost."""
    parser = argparse.ArgumentParser(prog="scripts/kills", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10, help="of commands to kill")
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("command", nargs="?", help="one of them; each in turn when left out")
    asked = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = os.environ["SEGKIT_WORKERS"] = "1"
    import pytorch_lightning  # noqa: F401

    import segkit.commands.evaluate
    import segkit.commands.package
    import segkit.commands.predict
    import segkit.commands.prepare
    import segkit.commands.train
    import segkit.studies.local  # noqa: F401

    room = Path(
        tempfile.mkdtemp(prefix="kills_")
    ).resolve()  # no TemporaryDirectory: each attempt's exit would remove it
    try:
        return tried(room, asked.count, np.random.default_rng(asked.seed), asked.command)
    finally:
        shutil.rmtree(room)


def tried(room: Path, kills: int, draw: np.random.Generator, only: str | None = None) -> int:
    """Let faults happen to each command in turn, or to one; return the exit code."""
    cohort(room / "data")
    (whole := room / "whole").mkdir()
    listed, events = commands(room / "data"), {}
    for command in listed:
        if only in (None, command.name) or any(command.makes[0] in other.needs for other in listed):
            code, events[command.name] = attempt(whole, command.words)
            if code:
                print((whole / "said.txt").read_text())
                return 2
    trial_events = int(file.read_text()) if (file := room / "trial_events.txt").exists() else 0
    chosen, happened, lost = [each for each in listed if only in (None, each.name)], Counter[str](), 0
    for number in range(kills):
        command = chosen[number % len(chosen)]
        count = 1 + int(draw.integers(4) == 0)
        faults = [drawn(draw, events[command.name], trial_events, command.trials) for _ in range(count)]
        happened.update("kill" if fault.number is None else errno.errorcode[fault.number] for fault in faults)
        if wrong := survived(command, whole, room / f"again_{number}", faults):
            lost += 1
            print(wrong, flush=True)
    ended = f"{kills} commands, {kills - lost} ended as the uninterrupted ones"
    print(f"{ended}; faults: {dict(happened)}; events: {events}, of a trial: {trial_events}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
