"""Print the planner's estimate of a training step's memory beside what a step took, on a CPU in float32.

    python scripts/benchmarks/step_memory.py [--presets] [--limit 6GB]

Each plan trains in a process of its own: the peak of its resident memory (Linux, VmHWM) above what it held before the
network was built. AdamW, without the running average of the weights. With `--presets` the plans are those of plan=cpu,
small, medium and large, each with its own network, for scans of 187 x 512 x 512 voxels as the spleens of the Medical
Segmentation Decathlon have; where one needs more than `--limit` in float32, its patch is halved along its longest axis,
and its batch is 1, until it fits. Its own estimate, in bf16 on a GPU, stands beside.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from measuring import kib_of

from segkit.config.plan import Plan

PLANS: dict[str, dict[str, Any]] = {
    "hippocampus_cpu: residual, 16 to 128, 32 x 48 x 32, batch 2": {
        "network": {"block": "residual", "features": [16, 32, 64, 128], "dims": 3, "levels": 4},
        "patch": [32, 48, 32],
        "batch": 2,
    },
    "full_3d on a CPU: plain, 32 to 256, 48 x 48 x 48, batch 2": {
        "network": {"features": [32, 64, 128, 256], "dims": 3, "levels": 4},
        "patch": [48, 48, 48],
        "batch": 2,
    },
    "slices_2d on a CPU: plain, 32 to 320, 256 x 256, batch 8": {
        "network": {"features": [32, 64, 128, 256, 320, 320], "dims": 2, "levels": 6},
        "patch": [256, 256],
        "batch": 8,
    },
    "full_3d, larger: plain, 32 to 320, 96 x 96 x 96, batch 2": {
        "network": {"features": [32, 64, 128, 256, 320], "dims": 3, "levels": 5},
        "patch": [96, 96, 96],
        "batch": 2,
    },
}
CLASSES = 3
SMALLEST = 4  # voxels at the coarsest level, of which one alone cannot be normalised
PRESETS = ("cpu", "small", "medium", "large")
SCAN, SPACING, CASES = (512, 512, 187), (0.79, 0.79, 1.6), 41  # voxels, mm
RUNNING_AVERAGE = 4  # bytes a parameter that the estimate counts and this training does not keep
HALF_COPY = 2  # likewise, of weights in bf16


def unet_of(plan: dict[str, Any]) -> Any:
    """Return the U-Net of a plan, or the network whose arguments it gives."""
    from segkit.networks import UNet
    from segkit.networks.building import build_network

    options = dict(plan["network"])
    if "_target_" in options:
        return build_network(options)
    ones, twos = [1] * options["dims"], [2] * options["dims"]
    strides = [ones, *[twos] * (options.pop("levels") - 1)]
    return UNet(in_channels=1, out_channels=CLASSES, strides=strides, **options)


def estimated(plan: dict[str, Any]) -> int:
    """Return the estimate in bytes, less what this training does not keep."""
    import torch

    from segkit.networks.activations import footprint

    seen = footprint(lambda: unet_of(plan), 1, plan["patch"], torch.float32)
    unused = (RUNNING_AVERAGE + HALF_COPY) * seen.parameters
    return seen.step_bytes(math.prod(plan["patch"]), plan["batch"], on_gpu=False) - unused


def preset(name: str) -> tuple[Plan, dict[str, Any]]:
    """Return the plan of a preset, and its network's arguments."""
    import numpy as np

    from segkit.config.channels import Channel
    from segkit.config.compose import configure
    from segkit.networks.building import network_arguments
    from segkit.preparation.fingerprint import Fingerprint
    from segkit.preparation.planner import make_plan

    config = configure("prepare", ["data=paired", f"data.root={Path.cwd()}", f"plan={name}"])
    fingerprint = Fingerprint(
        np.tile(SCAN, (CASES, 1)), np.tile(np.array(SPACING), (CASES, 1)), np.zeros((1, 1), np.float32)
    )
    channels = {"image": Channel("mr")}
    plan = make_plan(
        fingerprint, config.plan, channels=channels, network=config.network, outputs=CLASSES, transforms=[]
    )
    return plan, network_arguments(config.network, plan, out_channels=CLASSES)


def that_fits(plan: Plan, network: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return a preset's plan, scaled down until its step in float32 is estimated below `limit` bytes."""
    multiples = [math.prod(strides) for strides in zip(*plan.strides, strict=True)]
    scaled = {"network": network, "patch": list(plan.patch), "batch": plan.batch}
    while estimated(scaled) > limit:
        sizes, batch = scaled["patch"], scaled["batch"]
        coarsest = [size // multiple for size, multiple in zip(sizes, multiples, strict=True)]
        if batch > 1:
            scaled = {**scaled, "batch": batch // 2}
        elif math.prod(coarsest) < 2 * SMALLEST:
            break
        else:
            longest = max(range(3), key=lambda axis: (coarsest[axis] > 1) * sizes[axis])
            half = coarsest[longest] // 2 * multiples[longest]
            scaled = {**scaled, "patch": [half if axis == longest else size for axis, size in enumerate(sizes)]}
    return scaled


def train(plan: dict[str, Any], steps: int) -> None:
    """Train on noise."""
    import torch

    from segkit.training.losses import DiceCrossEntropy

    network = unet_of(plan)
    optimizer = torch.optim.AdamW(network.parameters())
    loss = DiceCrossEntropy()
    for _ in range(steps):
        images = torch.randn(plan["batch"], 1, *plan["patch"])
        target = torch.randint(0, CLASSES, (plan["batch"], *plan["patch"]))
        optimizer.zero_grad()
        loss(network(images), target).backward()
        optimizer.step()


def trained(plan: dict[str, Any]) -> int:
    """Train two steps and return the peak of this process's memory above its start."""
    # What the first step of any training loads is not the plan's.
    train({"network": {"features": [4, 4], "dims": 3, "levels": 2}, "patch": [16, 16, 16], "batch": 1}, steps=2)
    before = kib_of("VmRSS")
    train(plan, steps=2)
    return 1024 * (kib_of("VmHWM") - before)


def measured(plan: dict[str, Any]) -> int:
    """Train in a process of its own and return its peak in bytes."""
    command = [sys.executable, __file__, "--train", json.dumps(plan)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_plans() -> None:
    """Print the table of `PLANS`."""
    print("| plan | estimated, MB | measured, MB | estimated / measured |\n|---|---|---|---|")
    for name, plan in PLANS.items():
        taken, estimate = measured(plan), estimated(plan)
        print(f"| {name} | {estimate / 1e6:.0f} | {taken / 1e6:.0f} | {estimate / taken:.2f} |", flush=True)


def print_presets(limit: int) -> None:
    """Print the table of the presets."""
    print(
        "| plan | patch, batch | its own estimate | measured at | estimated, MB | measured, MB | ratio |",
        "|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for name in PRESETS:
        plan, network = preset(name)
        scaled = that_fits(plan, network, limit)
        whole = (list(plan.patch), plan.batch)
        at = "the same" if (scaled["patch"], scaled["batch"]) == whole else sizes_of(scaled["patch"], scaled["batch"])
        said = plan.reasons["memory"].split("about ")[1]
        taken, estimate = measured(scaled), estimated(scaled)
        cells = [name, sizes_of(*whole), said, at, f"{estimate / 1e6:.0f}", f"{taken / 1e6:.0f}"]
        print(f"| {' | '.join(cells)} | {estimate / taken:.2f} |", flush=True)


def sizes_of(patch: list[int], batch: int) -> str:
    """Write a patch and a batch in a few words."""
    return f"{' x '.join(map(str, patch))}, {batch}"


def main() -> None:
    """Print a table, or, told a plan, what it took."""
    from segkit.foundation.memory_size import memory_bytes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", action="store_true")
    parser.add_argument("--limit", default="6GB", help="of a step in float32, with --presets")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        print(trained(json.loads(options.train)))
    elif options.presets:
        print_presets(memory_bytes(options.limit) or 0)
    else:
        print_plans()


if __name__ == "__main__":
    main()
