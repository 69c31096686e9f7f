"""Overlap metrics of 5 labels on 512x512x200: segkit beside MONAI, on one core, each in a process of its own.

    python scripts/benchmarks/evaluation.py [--repeats 5]

The time is that of label arrays in memory to figures per label; the memory is what a process needs beside them at
its peak. MONAI's Dice is measured from label values (`num_classes`) and from one-hot tensors, which its confusion
matrix needs too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ONE_CORE, measured

SHAPE = (512, 512, 200)
LABELS = {f"label_{value}": value for value in range(1, 6)}
FOUR = ["precision", "sensitivity", "threat score", "f1 score"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--contestant", choices=CONTESTANTS, help="measure one in this process and print JSON")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.contestant:
        print(json.dumps(measure(CONTESTANTS[options.contestant], options.folder, options.repeats)))
        return
    with tempfile.TemporaryDirectory() as folder:
        save_masks(Path(folder))
        rows = {name: in_own_process(name, folder, options.repeats) for name in CONTESTANTS}
    fastest = rows["segkit"]
    print(f"{'':34}{'median':>10}{'peak':>12}{'ratio':>8}  dice of the labels")
    for name, row in rows.items():
        ratio = row["seconds"] / fastest["seconds"]
        dice = " ".join(f"{value:.4f}" for value in row["dice"])
        print(f"{name:34}{row['seconds'] * 1e3:7.0f} ms{row['mib']:8.0f} MiB{ratio:8.1f}  {dice}")


def save_masks(folder: Path) -> None:
    random = np.random.default_rng(1)
    axes = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    reference = np.zeros(SHAPE, np.uint8, order="F")
    for value in LABELS.values():
        centre, radius = random.uniform((120, 120, 50), (390, 390, 150)), random.uniform(30, 80)
        distance = sum((axis - c) ** 2 * scale for axis, c, scale in zip(axes, centre, (1, 1, 4), strict=True))
        reference[distance < radius**2] = value
    np.save(folder / "reference.npy", reference)
    np.save(folder / "mask.npy", np.asfortranarray(np.roll(reference, 4, axis=0)))


def in_own_process(name: str, folder: str, repeats: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--contestant", name, "--folder", folder, "--repeats", str(repeats)]
    ran = subprocess.run(command, env=ONE_CORE, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def measure(contestant: Callable[[np.ndarray, np.ndarray], list[float]], folder: Path, repeats: int) -> dict[str, Any]:
    contestant(*np.zeros((2, 4, 4, 4), np.uint8))  # imports and first calls are not what is measured
    mask, reference = (np.load(folder / f"{name}.npy") for name in ("mask", "reference"))
    dice, figures = measured(lambda: contestant(mask, reference), repeats)
    return {**figures, "dice": dice}


def segkit(mask: np.ndarray, reference: np.ndarray) -> list[float]:
    from segkit.evaluation.cases import evaluate_arrays
    from segkit.volumes.grid import Grid, affine_from

    scores = evaluate_arrays(mask, reference, Grid(mask.shape, affine_from((1.0, 1.0, 1.0))), LABELS)
    return [scores[label]["dice"] for label in LABELS]


def monai_dice_of_values(mask: np.ndarray, reference: np.ndarray) -> list[float]:
    import torch
    from monai.metrics import DiceMetric

    metric = DiceMetric(include_background=False, reduction="mean_batch", num_classes=len(LABELS) + 1)
    metric(*(torch.from_numpy(array)[None, None] for array in (mask, reference)))
    return [float(value) for value in metric.aggregate()]


def monai_dice_of_one_hot(mask: np.ndarray, reference: np.ndarray) -> list[float]:
    from monai.metrics import DiceMetric

    metric = DiceMetric(include_background=False, reduction="mean_batch")
    metric(*one_hot(mask, reference))
    return [float(value) for value in metric.aggregate()]


def monai_confusion(mask: np.ndarray, reference: np.ndarray) -> list[float]:
    from monai.metrics import ConfusionMatrixMetric

    metric = ConfusionMatrixMetric(include_background=False, metric_name=FOUR, reduction="mean_batch")
    metric(*one_hot(mask, reference))
    return [float(value) for value in metric.aggregate()[-1]]


def one_hot(mask: np.ndarray, reference: np.ndarray) -> list[Any]:
    import torch
    from monai.networks.utils import one_hot as encode

    tensors = (torch.from_numpy(array)[None, None] for array in (mask, reference))
    return [encode(tensor, num_classes=len(LABELS) + 1, dtype=torch.uint8) for tensor in tensors]


CONTESTANTS = {
    "segkit": segkit,
    "MONAI Dice from values": monai_dice_of_values,
    "MONAI Dice from one-hot": monai_dice_of_one_hot,
    "MONAI confusion matrix, 4 metrics": monai_confusion,
}

if __name__ == "__main__":
    main()
