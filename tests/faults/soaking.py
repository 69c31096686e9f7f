"""Many scans through `predict` in one process: what it holds must not grow with their number (Linux).

A small model is trained once; then one call of the command segments the scans, some small and a few large, while a
thread counts. Memory is the resident memory after each hundred scans; its slope is fitted without the first fifth, in
which libraries load and caches fill.
`python -m tests.faults.soaking [small, 2000] [large, 20]`
"""

import gc
import sys
import tempfile
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil

from tests.faults.killing import cohort, commands

SMALL_SHAPE, LARGE_SHAPE = (20, 18, 17), (192, 192, 160)
EVERY = 0.2  # seconds between two counts
WARM = 0.2  # share of the scans after which memory is looked at
MOST = 1.0  # MB that a hundred scans may add


@dataclass(frozen=True)
class Held:
    """What a process holds besides memory."""

    files: int
    threads: int
    children: int


@dataclass(frozen=True)
class Soaked:
    """What was counted.

    Attributes:
        before, after: what the process held before the first scan and after the last.
        masks: how many scans were done at each count.
        memory: MB of resident memory then.
    """

    before: Held
    after: Held
    masks: list[int]
    memory: list[float]

    @property
    def slope(self) -> float:
        """MB per hundred scans, by least squares over the counts after the warm-up."""
        warm = [pair for pair in zip(self.masks, self.memory, strict=True) if pair[0] >= WARM * self.masks[-1]]
        masks, memory = np.array(warm).T
        return float(np.polyfit(masks, memory, 1)[0]) * 100


def held() -> Held:
    """Count what this process holds now."""
    gc.collect()
    process = psutil.Process()
    return Held(process.num_fds(), process.num_threads(), len(process.children(recursive=True)))


def scans(folder: Path, count: int, shape: tuple[int, ...]) -> None:
    """Write scans of a bright ball in noise, a few patterns in many files."""
    folder.mkdir(parents=True)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"))
    for index in range(count):
        draw = np.random.default_rng(index)
        centre = np.reshape([draw.uniform(n / 3, 2 * n / 3) for n in shape], (3, 1, 1, 1))
        ball = ((grid - centre) ** 2).sum(0) < (min(shape) / 4) ** 2
        image = (ball * 100 + draw.normal(0, 20, shape)).astype(np.int16)
        nib.save(nib.Nifti1Image(image, np.eye(4)), folder / f"scan_{index:04}.nii")


def trained(room: Path) -> Path:
    """Train the small model of `tests.faults.killing`; return its run folder."""
    from segkit.cli import main

    cohort(room / "data")
    training = next(command for command in commands(room / "data") if command.name == "train")
    if main([*training.words, f"paths.cache={room / 'cache'}", f"output={room / 'run'}"]):
        raise SystemExit("the training failed")
    return room / "run"


def soaked(run: Path, folder: Path, output: Path) -> Soaked:
    """Segment a folder of scans in this process, by the command, and count meanwhile."""
    from segkit.cli import main

    cheap = ("inference.mirror=none", "inference.overlap=0.25")  # this is about what is held, not about masks
    words = ["predict", f"run={run}", "device=cpu", "export=nifti", *cheap]
    first = next(folder.iterdir())
    if main([*words, f"input={first}", f"output={output}_first"]):  # what the first mask of a process loads stays
        raise SystemExit("the first prediction failed")
    before, process = held(), psutil.Process()
    masks, memory, is_over = [0], [process.memory_info().rss / 1e6], threading.Event()

    def count() -> None:
        masks.append(sum(1 for _ in output.glob("*.nii.gz")))
        memory.append(process.memory_info().rss / 1e6)

    def keep_counting() -> None:
        while not is_over.wait(EVERY):
            count()

    counter = threading.Thread(target=keep_counting)
    counter.start()
    try:
        code = main([*words, f"input={folder}", f"output={output}"])
    finally:
        is_over.set()
        counter.join()
    count()
    if code:
        raise SystemExit("the prediction failed")
    return Soaked(before, held(), masks, memory)


def told(name: str, found: Soaked, seconds: float) -> bool:
    """Print what was counted; return whether nothing grew."""
    is_flat = found.slope < MOST and all(
        now <= then for then, now in zip(astuple(found.before), astuple(found.after), strict=True)
    )
    print(
        f"{found.masks[-1]} {name} scans in {seconds:.0f} s: {found.slope:+.3f} MB per 100 scans, "
        f"{found.memory[0]:.0f} MB before, {found.memory[-1]:.0f} MB after, {max(found.memory):.0f} MB at most; "
        f"before {found.before}, after {found.after}: {'flat' if is_flat else 'GROWS'}",
        flush=True,
    )
    return is_flat


def main() -> int:
    """Soak with small scans, then with large ones."""
    counts = [int(word) for word in (*sys.argv[1:3], *("2000", "20")[len(sys.argv[1:3]) :])]
    flat = []
    with tempfile.TemporaryDirectory(prefix="soak_") as folder:
        room = Path(folder)
        run = trained(room)
        for name, count, shape in zip(("small", "large"), counts, (SMALL_SHAPE, LARGE_SHAPE), strict=True):
            if count:
                scans(room / name, count, shape)
                began = time.perf_counter()
                found = soaked(run, room / name, room / f"masks_{name}")
                flat.append(told(name, found, time.perf_counter() - began))
    return 0 if all(flat) else 1


if __name__ == "__main__":
    sys.exit(main())
