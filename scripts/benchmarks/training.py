"""Dice by the clock beside nnU-Net's, on the same cases and cores: a table and a figure.

    python scripts/benchmarks/training.py DATA WORK [--segkit 30 60 180 600] [--nnunet 600 1500] [--seeds 3]

DATA is the hippocampus set (images/, labels/, held_out.txt). Every training has the machine for itself; both sides
train on the same cases, and the masks of the held-out ones are scored by `segkit evaluate`. nnU-Net runs as
`training_peer.py` says, in an environment that is made in WORK unless `--peer` names the Python of one. A budget counts
training alone; the last column has the whole way from images to masks. What WORK holds already is not done again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from step import peak

PEER = ("torch==2.13.0", "nnunetv2==2.8.1")
HEADER = (
    "training", "seeds", "mean Dice (lowest to highest)", "95% interval of the first", "steps", "steps/s", "Mvoxels/s",
    "share of bf16 peak", "of fp32 peak", "waiting", "images to masks",
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One training and its masks.

    Attributes:
        who: `segkit` or `nnU-Net`.
        budget: seconds.
        dice: mean Dice of the held-out cases, with its 95% interval over cases.
        low: its lower end.
        high: its upper end.
        steps: optimiser steps done.
        seconds: by the clock.
        voxels: of a step, over its batch.
        operations: floating-point operations of a step, forward and backward.
        waiting: seconds in which the next batch was not ready.
        whole: seconds from images to masks.
    """

    who: str
    budget: float
    dice: float
    low: float
    high: float
    steps: int
    seconds: float
    voxels: int
    operations: float
    waiting: float
    whole: float


def run(*command: object, threads: int) -> None:
    """Run a command with so many threads, quietly unless it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr[-3000:]}")


def segkit(*words: object, threads: int) -> None:
    """Run a command of segkit."""
    run(sys.executable, "-m", "segkit", *words, threads=threads)


def score_of(folder: Path) -> dict[str, Any]:
    """Return mean Dice and its interval from a folder that `segkit evaluate` has written."""
    dice = json.loads((folder / "summary.json").read_text())["mean"]["dice"]
    return {"dice": dice["mean"], "low": dice["ci95"][0], "high": dice["ci95"][1]}


def of_segkit(data: Path, output: Path, budget: float, seed: int, threads: int, extra: Sequence[str]) -> Result:
    """Train, predict and evaluate with segkit's commands."""
    from segkit.networks.operations import forward_operations
    from segkit.runs.model_file import read_record

    began = time.perf_counter()
    words = [f"data.root={data}", "experiment=hippocampus_cpu", f"training.budget={budget:g}s", f"seed={seed}", *extra]
    segkit("train", "data=hippocampus", f"paths.cache={output / 'cache'}", f"output={output}", *words, threads=threads)
    segkit("predict", f"run={output}", "split=held_out", threads=threads)
    whole = time.perf_counter() - began
    segkit("evaluate", f"run={output}", threads=threads)
    model, status = read_record(output / "model"), json.loads((output / "status.json").read_text())
    patch, batch, channels = model.plan.network_patch, model.plan.batch, len(model.plan.channels)
    one = model.network.get("network", model.network)  # a patch meets one member of a committee
    rows = (output / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("waiting")
    return Result(
        who="segkit", budget=budget, steps=status["steps"], seconds=status["seconds"], whole=whole,
        voxels=batch * math.prod(patch), operations=3 * batch * forward_operations(one, channels, patch),
        waiting=sum(float(row.split(",")[column] or 0) for row in rows[1:]), **score_of(output / "evaluation"),
    )  # fmt: skip


def of_nnunet(data: Path, work: Path, output: Path, budget: float, threads: int, peer: Path) -> Result:
    """Train and predict with nnU-Net, evaluate with segkit."""
    held_out = data / "held_out.txt"
    script = Path(__file__).with_name("training_peer.py")
    options = ("--held-out", held_out, "--seconds", budget, "--threads", threads)
    run(peer, script, data, work, output, *options, threads=threads)
    masks, labels = output / "masks", "labels={background: 0, anterior: 1, posterior: 2}"
    evaluation = output / "evaluation"
    where = (f"predictions={masks}", f"references={data / 'labels'}", f"output={evaluation}")
    segkit("evaluate", *where, labels, threads=threads)
    figures = json.loads((output / "peer.json").read_text())
    return Result(
        who="nnU-Net", budget=budget, steps=figures["steps"], seconds=figures["seconds"],
        voxels=figures["batch"] * math.prod(figures["patch"]), operations=figures["operations"],
        waiting=figures["waiting"], whole=sum(figures[name] for name in ("preparing", "seconds", "predicting")),
        **score_of(evaluation),
    )  # fmt: skip


def peers_python(work: Path) -> Path:
    """Return the Python of an environment with nnU-Net, made where it is missing."""
    environment = work / "environment"
    python = environment / "bin" / "python"
    if not (environment / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER], check=True)
        # nnU-Net does not use it, and a build for another PyTorch does not load.
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "torchvision"], check=True)
        (environment / "done").touch()
    return python


def kept(path: Path, make: Callable[[], Result]) -> Result:
    """Return a result from its file, or make it and write that."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        result = make()
        path.write_text(json.dumps(asdict(result)))
        print(f"{result.who}, {result.budget:g} s: {result.dice:.4f}", file=sys.stderr, flush=True)
    return Result(**json.loads(path.read_text()))


def row(results: Sequence[Result], peaks: dict[int, float]) -> list[str]:
    """Return the cells of one budget."""
    first, scores = results[0], [result.dice for result in results]
    pace = statistics.median(result.steps / result.seconds for result in results)
    spread = f" ({min(scores):.3f} to {max(scores):.3f})" if len(scores) > 1 else ""
    return [
        f"{first.who}, {first.budget:g} s",
        str(len(scores)),
        f"**{statistics.mean(scores):.3f}**{spread}",
        f"{first.low:.3f} to {first.high:.3f}",
        f"{statistics.median(result.steps for result in results):.0f}",
        f"{pace:.2f}",
        f"{pace * first.voxels / 1e6:.2f}",
        f"{pace * first.operations / peaks[16]:.0%}",
        f"{pace * first.operations / peaks[32]:.0%}",
        f"{statistics.median(result.waiting / result.seconds for result in results):.1%}",
        f"{statistics.median(result.whole for result in results):.0f} s",
    ]


def draw(groups: Sequence[Sequence[Result]], path: Path) -> None:
    """Draw Dice over the budget, a dot each training, a line through the means."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 3.6), layout="constrained")
    for who, colour in (("segkit", "#1f6fb4"), ("nnU-Net", "#c2571a")):
        own = [group for group in groups if group[0].who == who]
        budgets = [group[0].budget / 60 for group in own]
        axes.plot(budgets, [statistics.mean(r.dice for r in group) for group in own], color=colour, label=who)
        dots = [(result.budget / 60, result.dice) for group in own for result in group]
        axes.plot(*zip(*dots, strict=True), "o", color=colour, markersize=4) if dots else None
    axes.set(xscale="log", xlabel="minutes of training on the same cores", ylabel="mean Dice, held-out cases")
    ticks = sorted({group[0].budget / 60 for group in groups})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Train, score, print the table and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--segkit", type=float, nargs="*", default=[30, 60, 180, 600], help="budgets in seconds")
    parser.add_argument("--nnunet", type=float, nargs="*", default=[600, 1500], help="budgets in seconds")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of segkit at each budget")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peer", type=Path, help="a Python that has nnunetv2")
    parser.add_argument("--with", dest="extra", nargs="*", default=[], help="overrides for segkit's trainings")
    options = parser.parse_args()
    data, work, threads = options.data.resolve(), options.work.resolve(), options.threads
    torch.set_num_threads(threads)
    peaks = {16: peak(torch, torch.bfloat16, "cpu"), 32: peak(torch, torch.float32, "cpu")}

    def by_segkit(budget: float, seed: int) -> Result:
        folder = work / f"segkit_{budget:g}s_seed_{seed}"
        how = partial(of_segkit, data, folder / "run", budget, seed, threads, options.extra)
        return kept(folder / "result.json", how)

    def by_nnunet(budget: float) -> Result:
        folder, peer = work / f"nnunet_{budget:g}s", options.peer or peers_python(work)
        return kept(folder / "result.json", partial(of_nnunet, data, work / "nnunet", folder, budget, threads, peer))

    groups = [[by_segkit(budget, seed) for seed in range(1, options.seeds + 1)] for budget in options.segkit]
    groups += [[by_nnunet(budget)] for budget in options.nnunet]
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    for group in groups:
        print(f"| {' | '.join(row(group, peaks))} |")
    print(f"\nmatrix products reach {peaks[32] / 1e9:.0f} GFLOP/s in float32, {peaks[16] / 1e9:.0f} in bfloat16")
    draw(groups, work / "dice_by_the_clock.png")
    print(work / "dice_by_the_clock.png")


if __name__ == "__main__":
    main()
