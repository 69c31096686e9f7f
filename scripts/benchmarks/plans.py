"""Print our plans for the Medical Segmentation Decathlon beside nnU-Net's, as a markdown table.

python scripts/benchmarks/plans.py [--memory 8GB] [--levels 6] [--nnunet PYTHON]

Median sizes and spacings, and nnU-Net's plans, are those of Isensee et al. 2021, Nature Methods 18, supplement ("3D
full resolution U-Net" of D1 to D10). Spacings are the published target spacings: how they are spread over the cases is
not published. Axes stand as nnU-Net has them, slices first; ours are turned for printing. With `--nnunet`, a Python
that has nnunetv2, nnU-Net's own planner runs on the same fingerprints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segkit.config.channels import Channel
from segkit.config.compose import configure
from segkit.config.plan import Plan
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.planner import make_plan

FEATURES = (32, 64, 128, 256, 320, 320, 320, 320)


@dataclass(frozen=True)
class Task:
    """A task's fingerprint, and nnU-Net's published plan for it; slices first."""

    name: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    cases: int
    channels: int
    labels: int  # the background included
    family: str
    patch: tuple[int, ...]
    batch: int
    levels: int


TASKS = (
    Task("BrainTumour", (138, 169, 138), (1, 1, 1), 484, 4, 4, "mr", (128, 128, 128), 2, 6),
    Task("Heart", (115, 320, 232), (1.37, 1.25, 1.25), 20, 1, 2, "mr", (80, 192, 160), 2, 6),
    Task("Liver", (482, 512, 512), (1, 0.7676, 0.7676), 131, 1, 3, "ct", (128, 128, 128), 2, 6),
    Task("Hippocampus", (36, 50, 35), (1, 1, 1), 260, 1, 3, "mr", (40, 56, 40), 9, 4),
    Task("Prostate", (20, 320, 319), (3.6, 0.62, 0.62), 32, 2, 3, "mr", (20, 320, 256), 2, 7),
    Task("Lung", (252, 512, 512), (1.24, 0.79, 0.79), 63, 1, 2, "ct", (80, 192, 160), 2, 6),
    Task("Pancreas", (96, 512, 512), (2.5, 0.8, 0.8), 281, 1, 3, "ct", (40, 224, 224), 2, 6),
    Task("HepaticVessel", (150, 512, 512), (1.5, 0.8, 0.8), 303, 1, 3, "ct", (64, 192, 192), 2, 6),
    Task("Spleen", (187, 512, 512), (1.6, 0.79, 0.79), 41, 1, 2, "ct", (64, 192, 160), 2, 6),
    Task("Colon", (150, 512, 512), (3.0, 0.78, 0.78), 126, 1, 2, "ct", (56, 192, 160), 2, 6),
)


def plan_of(task: Task, memory: str, levels: int, resolution: str) -> Plan:
    """Return our plan for a task."""
    words = [f"plan={resolution}_3d", f"plan.memory={memory}", "plan.measure=false"]
    options = configure("prepare", ["data=paired", f"data.root={Path.cwd()}", *words]).plan
    fingerprint = Fingerprint(
        np.tile(task.size[::-1], (task.cases, 1)),
        np.tile(np.array(task.spacing[::-1], dtype=float), (task.cases, 1)),
        np.zeros((task.channels, 1), np.float32),
    )
    return make_plan(
        fingerprint,
        options,
        channels={str(index): Channel(task.family) for index in range(task.channels)},
        network={"_target_": "segkit.networks.UNet", "features": FEATURES[:levels]},
        outputs=task.labels,
        transforms=[],
    )


def nnunets_plans(python: str) -> list[dict[str, Any]]:
    """Run nnU-Net's planner on the tasks' fingerprints."""
    script = Path(__file__).with_name("nnunet_plans.py")
    tasks = json.dumps([asdict(task) for task in TASKS])
    done = subprocess.run([python, str(script)], input=tasks, capture_output=True, text=True, check=True)
    return list(json.loads(done.stdout.splitlines()[-1]))


def turned(levels: Iterable[Iterable[int]]) -> list[list[int]]:
    """Return strides or kernels with slices first."""
    return [list(level)[::-1] for level in levels]


def times(numbers: Iterable[float]) -> str:
    """Write numbers as `1 x 0.79 x 0.79`."""
    return " x ".join(f"{number:.3g}" for number in numbers)


def row(task: Task, full: Plan, low: Plan, other: dict[str, Any] | None) -> list[str]:
    """Return the cells of one task."""
    patch = full.patch[::-1]
    same = (patch, full.batch, len(full.strides)) == (task.patch, task.batch, task.levels)
    cells = [
        task.name,
        times(task.size),
        times(s or 0 for s in full.spacing[::-1]),
        f"{times(patch)}, {full.batch}, {len(full.strides)}",
        f"{times(task.patch)}, {task.batch}, {task.levels}",
        "same" if same else f"{np.prod(patch) / np.prod(task.patch):.2f} x voxels",
        times(s or 0 for s in low.spacing[::-1]) if low.spacing != full.spacing else "not needed",
        full.reasons["memory"].split("about ")[1].split(" a step")[0],
    ]
    if other is not None:
        again = [list(patch), full.batch, turned(full.strides), turned(full.kernels)]
        equal = again == [other[key] for key in ("patch", "batch", "strides", "kernels")]
        cells.append("same" if equal else f"{times(other['patch'])}, {other['batch']}, {len(other['strides'])}")
    return cells


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", default="8GB")
    parser.add_argument("--levels", type=int, default=6, help="of network.features; conf/network/unet.yaml has 6")
    parser.add_argument("--nnunet", help="a Python that has nnunetv2")
    options = parser.parse_args()
    others = nnunets_plans(options.nnunet) if options.nnunet else [None] * len(TASKS)
    head = [
        "task",
        "median size",
        "spacing, mm",
        f"segkit, {options.memory}: patch, batch, levels",
        "nnU-Net, published",
    ]
    head += ["difference", "low_3d, mm", "a step takes"]
    head += ["nnU-Net 2 run on these, strides and kernels too"] if options.nnunet else []
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for task, other in zip(TASKS, others, strict=True):
        full, low = (plan_of(task, options.memory, options.levels, resolution) for resolution in ("full", "low"))
        print("| " + " | ".join(row(task, full, low, other)) + " |", flush=True)


if __name__ == "__main__":
    main()
