"""Logits onto twice as fine a grid and to labels: segkit's planes beside whole classes, on one core.

    python scripts/benchmarks/upsampling.py [--classes 5 25] [--shape 128 128 100] [--repeats 3]

Each way runs in a process of its own; the time is that of logits in memory, of shape (classes, X, Y, Z), to labels on
(2X, 2Y, 2Z); the memory is what it needs beside the logits at its peak. The other ways are those of trainers today:
every class is interpolated by PyTorch and the largest taken, or one class after another against a running maximum.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from measuring import ONE_CORE, measured

CHUNK = 16  # planes that are finished at once


def logits_of(classes: int, shape: Sequence[int]) -> np.ndarray:
    """Return logits with a blob for every class but the first, as smooth and as sure as a network's."""
    random = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(0, 1, size, dtype=np.float32) for size in shape], indexing="ij")
    logits = np.zeros((classes, *shape), np.float32)
    for blob in logits[1:]:
        centre, radius = random.uniform(0.15, 0.85, 3), random.uniform(0.05, 0.15)
        distance = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True))
        blob[...] = 60 * (radius - np.sqrt(distance))
    return logits


def segkit(logits: np.ndarray) -> np.ndarray:
    from segkit.inference.planes import LabelledPlanes
    from segkit.inference.restoring import write_labels
    from segkit.inference.route import route_across
    from segkit.volumes.grid import Grid, affine_from

    fine = tuple(2 * size for size in logits.shape[1:])
    grid = Grid(logits.shape[1:], affine_from((2.0, 2.0, 2.0), (0.5, 0.5, 0.5)))
    route = route_across(0, grid, Grid(fine, affine_from((1.0, 1.0, 1.0))))
    parts = (logits[:, start : start + CHUNK] for start in range(0, logits.shape[1], CHUNK))
    order = [1 + axis for axis in route.source] + [0]
    planes = LabelledPlanes((np.ascontiguousarray(part.transpose(order)) for part in parts), is_regions=False)
    result = np.zeros(fine, np.uint8)
    write_labels(planes, route, range(route.planes[1]), 0, result)
    return result


def all_classes(logits: np.ndarray) -> np.ndarray:
    import torch
    from torch.nn import functional

    fine = functional.interpolate(torch.from_numpy(logits)[None], scale_factor=2, mode="trilinear")
    return fine[0].argmax(dim=0).to(torch.uint8).numpy()


def running_maximum(logits: np.ndarray) -> np.ndarray:
    import torch
    from torch.nn import functional

    best, labels = None, None
    for index, logit in enumerate(torch.from_numpy(logits)):
        fine = functional.interpolate(logit[None, None], scale_factor=2, mode="trilinear")[0, 0]
        if best is None or labels is None:
            best, labels = fine, torch.zeros(fine.shape, dtype=torch.uint8)
        else:
            labels[fine > best] = index
            torch.maximum(best, fine, out=best)
    return labels.numpy()


WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "segkit": segkit,
    "every class, then the largest": all_classes,
    "one class after another": running_maximum,
}


def measure(way: Callable[[np.ndarray], np.ndarray], logits: np.ndarray, repeats: int) -> dict[str, Any]:
    """Return median seconds, MiB beside the logits, and how many voxels have each label."""
    way(logits[:, :8, :8, :8].copy())  # imports and compiling are not what is measured
    labels, figures = measured(lambda: way(logits), repeats)
    counts = np.bincount(labels.ravel(), minlength=len(logits)).tolist()
    return {**figures, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, nargs="+", default=[5, 25])
    parser.add_argument("--shape", type=int, nargs=3, default=[128, 128, 100], help="of the logits")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="measure one in this process and print JSON")
    options = parser.parse_args()
    if options.way:
        logits = logits_of(options.classes[0], options.shape)
        print(json.dumps(measure(WAYS[options.way], logits, options.repeats)))
        return
    print("| classes | way | median | ratio | peak | ratio | voxels apart |\n|---|---|---|---|---|---|---|")
    for classes in options.classes:
        rows = {}
        for name in WAYS:
            command = [
                sys.executable,
                __file__,
                "--way",
                name,
                "--classes",
                str(classes),
                "--repeats",
                str(options.repeats),
            ]
            command += ["--shape", *map(str, options.shape)]
            ran = subprocess.run(command, env=ONE_CORE, check=True, capture_output=True, text=True)
            rows[name] = json.loads(ran.stdout.splitlines()[-1])
        own = rows["segkit"]
        for name, row in rows.items():
            apart = sum(abs(a - b) for a, b in zip(row["counts"], own["counts"], strict=True))
            ratios = row["seconds"] / own["seconds"], row["mib"] / own["mib"]
            figures = f"{row['seconds'] * 1e3:.0f} ms | {ratios[0]:.1f} x | {row['mib']:.0f} MiB | {ratios[1]:.1f} x"
            print(f"| {classes} | {name} | {figures} | {apart} |")


if __name__ == "__main__":
    main()
