"""What makes Dice rise faster: one factor of the training at a time, at one budget, validated on folds.

    python scripts/benchmarks/factors.py DATA WORK [--budget 180] [--folds 3] [--jobs 2] [--only NAME ...]

DATA is the hippocampus set (images/, labels/, held_out.txt); the held-out cases are never read. Each variant is first
timed alone by a short training with every core; then each fold trains as many steps as the budget would hold at that
pace, so that what else the machine does changes no result. `--jobs` trainings run side by side, each with its share of
the cores. What WORK holds already is not done again. Printed is a markdown table: mean Dice of the validation cases per
fold, and the mean difference to the first variant over the folds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TIMED_SECONDS = 25
BASE = "as experiment=hippocampus_cpu"
VARIANTS: dict[str, list[str]] = {
    BASE: [],
    "optimizer: adamw": ["optimizer=adamw"],
    "schedule: warm_up_stable_decay": ["schedule=warm_up_stable_decay"],
    "ema: none": ["training.ema=0"],
    "width: 32 to 256": ["network.features=[32,64,128,256]"],
    "depth: one convolution a decoder level": ["network.decoder_convolutions=1"],
    "encoder: plain": ["network=unet", "network.features=[16,32,64,128]"],
    "deep supervision": ["network.deep_supervision=true"],
    "batch: 1": ["plan.batch=1"],
    "batch: 4": ["plan.batch=4"],
    "patch: 40 x 56 x 40": ["plan.patch=[40,56,40]"],
    "patch: 32 x 48 x 32": ["plan.patch=[32,48,32]"],
    "augmentation: light, with flips": ["augmentation.mirror=0.5"],
    "augmentation: standard": ["augmentation=standard"],
}


def trained(data: Path, output: Path, overrides: list[str], threads: int | None = None) -> Path:
    """Train into `output` unless that is done, and return it."""
    environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "segkit", "train", "data=hippocampus", f"data.root={data}"]
    command += ["experiment=hippocampus_cpu", f"output={output}", *overrides]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return output


def steps_of(data: Path, work: Path, name: str, budget: float) -> int:
    """Return the steps that a variant does within the budget on this machine, all cores its own."""
    output = trained(data, work / "timed", [f"training.budget={TIMED_SECONDS}s", *VARIANTS[name]])
    status = json.loads((output / "status.json").read_text())
    return round(status["steps"] * budget / status["seconds"])


def dice_of(data: Path, work: Path, name: str, steps: int, fold: int, threads: int) -> float:
    """Return the mean Dice of a fold's validation cases after its training."""
    settings = [f"training.steps={steps}", f"training.fold={fold}"]
    settings += [f"training.validate_every={steps}"]  # once, at the end
    run = trained(data, work / f"fold_{fold}", [*settings, *VARIANTS[name]], threads)
    rows = (run / "metrics.csv").read_text().splitlines()
    return float(rows[-1].split(",")[rows[0].split(",").index("dice")])  # of the validation that ends the training


def main() -> None:
    """Time the variants, train them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--budget", type=float, default=180, help="seconds of each training")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    parser.add_argument("--only", nargs="*", help="variants whose names begin so; the base is always one")
    options = parser.parse_args()
    wanted = [BASE, *(name for name in VARIANTS if name != BASE and begins(name, options.only))]
    folders = {name: options.work / name.replace(": ", "_").replace(" ", "_").replace(",", "") for name in wanted}
    steps = {name: steps_of(options.data, folders[name], name, options.budget) for name in wanted}
    print(json.dumps(steps), flush=True)
    threads = max(1, len(os.sched_getaffinity(0)) // options.jobs)
    with ThreadPoolExecutor(options.jobs) as pool:
        waiting = {
            (name, fold): pool.submit(dice_of, options.data, folders[name], name, steps[name], fold, threads)
            for fold in range(options.folds)
            for name in wanted
        }
        dice = {}
        for (name, fold), job in waiting.items():
            dice[name, fold] = job.result()
            print(f"{name}, fold {fold}: {dice[name, fold]:.4f}", file=sys.stderr, flush=True)
    folds = range(options.folds)
    print(f"| variant | steps | {' | '.join(f'fold {fold}' for fold in folds)} | mean | beside the first |")
    print(f"|{'---|' * (options.folds + 4)}")
    for name in wanted:
        scores = [dice[name, fold] for fold in folds]
        gain = statistics.mean(score - dice[BASE, fold] for fold, score in enumerate(scores))
        cells = [name, str(steps[name]), *(f"{score:.4f}" for score in scores)]
        print(f"| {' | '.join(cells)} | {statistics.mean(scores):.4f} | {gain:+.4f} |")


def begins(name: str, starts: list[str] | None) -> bool:
    """Say whether a variant is wanted."""
    return not starts or any(name.startswith(start) for start in starts)


if __name__ == "__main__":
    main()
