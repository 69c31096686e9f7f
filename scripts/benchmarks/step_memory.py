"""Print the planner's estimate of a training step's memory beside what a step took, on a CPU in float32.

python scripts/benchmarks/step_memory.py

Each plan trains in a process of its own: the peak of its resident memory (Linux, VmHWM) above what it held before the
network was built. AdamW, without the running average of the weights.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

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
RUNNING_AVERAGE = 4  # bytes a parameter that the estimate counts and this training does not keep
HALF_COPY = 2  # likewise, of weights in bf16


def unet_of(plan: dict[str, Any]) -> Any:
    """Return the U-Net of a plan."""
    from segkit.networks import UNet

    options = dict(plan["network"])
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


def resident(what: str) -> int:
    """Return `VmRSS`, what this process holds in memory, or `VmHWM`, the most it ever held, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024


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
    before = resident("VmRSS")
    train(plan, steps=2)
    return resident("VmHWM") - before


def main() -> None:
    """Print the table, or, told a plan, what it took."""
    if len(sys.argv) > 1:
        print(trained(json.loads(sys.argv[1])))
        return
    print("| plan | estimated, MB | measured, MB | estimated / measured |\n|---|---|---|---|")
    for name, plan in PLANS.items():
        command = [sys.executable, __file__, json.dumps(plan)]
        measured = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        estimate = estimated(plan)
        print(f"| {name} | {estimate / 1e6:.0f} | {measured / 1e6:.0f} | {estimate / measured:.2f} |", flush=True)


if __name__ == "__main__":
    main()
