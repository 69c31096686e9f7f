"""What a training step reaches of the machine's peak, one change at a time, each in a process of its own.

    python scripts/benchmarks/step.py [--features 16 32 64 128] [--patch 32 48 32] [--batch 2] [--device cpu]

Steps are forward, loss, backward, clipping and optimiser on random patches, as in a training; the peak is that of a
large matrix product in the same run. The last column says after how many steps compiling has paid for
itself. Printed are medians over the rounds, in each of which every variant runs once.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

WARM_UP, TIMED, MATMUL = 3, 12, 2048
VARIANTS = {
    "float32, stock allocator": "float32 stock",
    "float32": "float32",
    "bfloat16, stock allocator": "bfloat16 stock",
    "bfloat16, as segkit trains": "bfloat16",
    "bfloat16, muon": "bfloat16 muon",
    "bfloat16, channels last": "bfloat16 channels_last",
    "bfloat16, compiled": "bfloat16 compile",
}


def peak(torch: Any, dtype: Any, device: str) -> float:
    """Return the operations a second of a large matrix product, the best of ten."""
    matrix, best = torch.randn(MATMUL, MATMUL, device=device).to(dtype), float("inf")
    for _ in range(10):
        began = time.perf_counter()
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - began)
    return float(2 * MATMUL**3 / best)


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Time the variant of this process."""
    import torch

    from segkit.foundation.allocator import keep_freed_memory
    from segkit.networks import UNet
    from segkit.networks.operations import forward_operations
    from segkit.training.losses import DiceCrossEntropy
    from segkit.training.optimizers import Muon

    words = options.variant.split()
    if "stock" not in words:
        keep_freed_memory()
    dims, device = len(options.patch), options.device
    strides = [[1] * dims] + [[2] * dims] * (len(options.features) - 1)
    how = {"in_channels": 1, "out_channels": 3, "dims": dims, "features": options.features, "strides": strides}
    network = UNet(**how, block="residual").to(device)
    images = torch.randn(options.batch, 1, *options.patch, device=device)
    target = torch.randint(3, (options.batch, *options.patch), device=device)
    if "channels_last" in words:
        layout = torch.channels_last_3d if dims == 3 else torch.channels_last
        network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
    forward = torch.compile(network) if "compile" in words else network
    optimizer = (Muon if "muon" in words else torch.optim.AdamW)(network.parameters(), lr=1e-3)
    loss, dtype = DiceCrossEntropy(), torch.bfloat16 if "bfloat16" in words else torch.float32
    taken = []
    for step in range(WARM_UP + TIMED):
        faults, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.perf_counter()
        with torch.autocast(device, dtype, enabled=dtype == torch.bfloat16):
            value = loss(forward(images), target)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 12.0)
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append((time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults))
        if step == 0:
            first = taken[0][0]
    arguments = {"_target_": "segkit.networks.UNet", **how, "block": "residual"}
    return {
        "first": first,
        "seconds": statistics.median(seconds for seconds, _ in taken[WARM_UP:]),
        "faults": statistics.median(faults for _, faults in taken[WARM_UP:]),
        "operations": 3 * options.batch * forward_operations(arguments, 1, options.patch),
        "bf16": peak(torch, torch.bfloat16, device),
        "fp32": peak(torch, torch.float32, device),
    }


def row(name: str, rounds: list[dict[str, float]], plain: float) -> str:
    """Return a row of the table; `plain` is the step that compiling is compared with."""
    middle = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    rate = middle["operations"] / middle["seconds"]
    cells = [f"{1000 * middle['seconds']:.0f} ms", f"{middle['faults']:.0f}", f"{rate / 1e9:.0f}"]
    cells += [f"{rate / middle[kind]:.0%}" for kind in ("fp32", "bf16")]
    gain = plain - middle["seconds"]
    pays = f"{middle['first'] / gain:.0f} steps" if "compiled" in name and gain > 0 else "never" * ("compiled" in name)
    return f"| {name} | {' | '.join(cells)} | {middle['first']:.1f} s | {pays} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--patch", type=int, nargs="+", default=[32, 48, 32])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--variant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.variant:
        print(json.dumps(measure(options)))
        return
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for _ in range(options.rounds):
        for name, variant in VARIANTS.items():
            command = [sys.executable, *sys.argv, "--variant", variant]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print("| step | median | page faults | GFLOP/s | of fp32 peak | of bf16 peak | first step | compiling pays after |")
    print(f"|{'---|' * 8}")
    plain = statistics.median(each["seconds"] for each in found["bfloat16, as segkit trains"])
    for name, rounds in found.items():
        print(row(name, rounds, plain))


if __name__ == "__main__":
    main()
