"""Masks beside nnU-Net's predictor with the same weights: seconds outside the network, peak memory, cohorts of scans.

    python scripts/benchmarks/inference.py WORK [--rows ct cohort large] [--peer PYTHON] [--threads 2] [--cases 200]

The network is one 3x3x3 convolution whose logits cut the intensities into bands, so that forward passes do not hide
what is measured, and both sides compute the same. `ct` is a CT-like scan of 256x256x300 at half the plan's spacing with
25 classes; `cohort` 200 scans of a hippocampus's size; `large` 512x512x600 with 2, 25 and 105 classes, segkit alone:
the peak of the whole command beside the one that it announced. Neither side flips. nnU-Net runs as `inference_peer.py`
says, in an environment that is made in WORK unless `--peer` names the Python of one. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from measuring import kib_of
from scipy import ndimage
from timed import Timed
from torch import nn
from training import peers_python

from segkit.config.plan import Normalisation, Plan
from segkit.inference.cohort import predict_cohort
from segkit.inference.model import load
from segkit.runs.model_file import ModelRecord, write_model

MEAN, STD, LOW, HIGH = 20.0, 300.0, -1000.0, 1000.0  # HU: how both normalise
GIGABYTE = 1e9
LARGE = (2, 25, 105)
AMOUNT = re.compile(r"memory: at most ([\d.]+) ([GM]B)")
ALLOWED = 1.1  # times the announced peak


@dataclass(frozen=True)
class Work:
    """What is segmented, and with what.

    Attributes:
        name: of its folder.
        shape: of a scan.
        spacing: of a scan, in mm.
        planned: spacing of the plan, in mm.
        patch: voxels of a window.
        classes: with the background.
        count: scans.
        memories: values of `inference.memory` to run segkit with.
    """

    name: str
    shape: tuple[int, int, int]
    spacing: float
    planned: float
    patch: tuple[int, int, int]
    classes: int
    count: int = 1
    memories: tuple[str, ...] = ("2GB",)


CT = Work("ct", (256, 256, 300), 0.75, 1.5, (96, 96, 96), 25, memories=("2GB", "300MB", "250MB"))
COHORT = Work("cohort", (36, 50, 35), 1.0, 1.0, (40, 56, 40), 3, 200)


def banded(classes: int) -> nn.Conv3d:
    """Return a convolution whose largest logit tells in which band of smoothed intensities a voxel lies."""
    network = nn.Conv3d(1, classes, 3, padding=1)
    centres = torch.linspace(-2.5, 2.5, classes)
    with torch.no_grad():
        network.weight[:] = (4 * centres / 27)[:, None, None, None, None].expand_as(network.weight)
        network.bias[:] = -2 * centres**2
    return network


def scan_of(shape: Sequence[int], seed: int) -> np.ndarray:
    """Return smooth structures in noise, HU as int16."""
    draw = np.random.default_rng(seed)
    coarse = [max(4, size // 12) for size in shape]
    field = ndimage.gaussian_filter(draw.normal(size=coarse), 1.0)
    field *= 400 / field.std()
    zoomed = ndimage.zoom(field.astype(np.float32), np.divide(shape, coarse), order=1)
    for plane in zoomed:
        plane += draw.normal(0, 15, plane.shape)
    return zoomed.clip(-1000, 1500).astype(np.int16)


def laid_out(work: Work, folder: Path) -> Path:
    """Write scans, model and what the peer needs; return the folder."""
    place = folder / work.name
    if (place / "done").exists():
        return place
    (place / "scans").mkdir(parents=True, exist_ok=True)
    affine = np.diag([*[work.spacing] * 3, 1.0])
    for index in range(work.count):
        image = nib.Nifti1Image(scan_of(work.shape, index), affine)
        nib.save(image, place / "scans" / f"case_{index:03}_0000.nii.gz")
    network = banded(work.classes)
    plan = Plan(
        dims=3, orientation=None, spacing=(work.planned,) * 3, patch=work.patch, batch=1, strides=((1, 1, 1),),
        kernels=((3, 3, 3),), normalisation={"CT": Normalisation("clip_zscore", LOW, HIGH, MEAN, STD)},
    )  # fmt: skip
    labels = {"background": 0, **{f"label_{index}": index for index in range(1, work.classes)}}
    target = {
        "_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": work.classes, "kernel_size": 3, "padding": 1,
    }  # fmt: skip
    record = ModelRecord(work.name, labels, [], [], plan, target, "0")
    write_model(place / "model", record, network.state_dict())
    torch.save(network.state_dict(), place / "weights.pt")
    told = {"spacing": [work.planned] * 3, "patch": work.patch, "classes": work.classes, "labels": labels}
    normalised = {"mean": MEAN, "std": STD, "percentile_00_5": LOW, "percentile_99_5": HIGH}
    (place / "peer.json").write_text(json.dumps({**told, "intensities": normalised}))
    (place / "done").touch()
    return place


def segkits(place: Path, output: Path, memory: str) -> None:
    """Segment every scan of a folder in this process and print seconds and peak as JSON."""
    model = load(place / "model", device="cpu")
    timed = Timed(model.networks[0])
    options = replace(model.options, mirror="none", precision="32", memory=memory)
    model = replace(model, networks=(timed,), options=options)
    scans = {path.name.removesuffix("_0000.nii.gz"): {"CT": path} for path in sorted((place / "scans").iterdir())}
    began = time.perf_counter()
    predict_cohort(model, scans, output, "auto")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "forward": timed.seconds, "mib": kib_of("VmHWM") / 1024}))


def figures_of(*command: object, threads: int, folder: Path) -> dict[str, Any]:
    """Run a command and return the JSON of its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": "", "nnUNet_compile": "f"}
    for name in ("raw", "preprocessed", "results"):
        environment[f"nnUNet_{name}"] = str(folder)
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr[-3000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def alike(one: Path, other: Path) -> float:
    """Return the share of voxels in which the masks of two folders agree."""
    same = total = 0
    for path in sorted(one.glob("*.nii.gz")):
        first, second = (np.asarray(nib.load(each / path.name).dataobj) for each in (one, other))
        same, total = same + int((first == second).sum()), total + first.size
    return same / total


def side_by_side(work: Work, folder: Path, peer: Path, threads: int, ways: Sequence[str]) -> None:
    """Print what both take for the same scans."""
    place = laid_out(work, folder)
    own = {}
    for memory in work.memories:
        child = ("--child", place, fresh(place / "segkit"), "--memory", memory)
        own[memory] = figures_of(sys.executable, __file__, folder, *child, threads=threads, folder=folder)
        print(line_of(f"segkit, inference.memory={memory}", work, own[memory]), flush=True)
    for way in ways:
        script = Path(__file__).with_name("inference_peer.py")
        masks = fresh(place / f"nnunet_{way}")
        theirs = figures_of(peer, script, place, masks, "--way", way, threads=threads, folder=folder)
        print(line_of(f"nnU-Net, {way}", work, theirs))
        for memory, ours in own.items():
            outside = [each["seconds"] - each["forward"] for each in (ours, theirs)]
            print(
                f"  segkit, {memory}: {ours['seconds'] / theirs['seconds']:.2f} of its time, "
                f"{outside[0] / outside[1]:.2f} outside the network, {ours['mib'] / theirs['mib']:.2f} of its peak"
            )
        print(f"  {alike(place / 'segkit', masks):.4%} of voxels agree", flush=True)


def fresh(folder: Path) -> Path:
    """Return an empty folder."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


def line_of(who: str, work: Work, figures: dict[str, Any]) -> str:
    """Say what one side took."""
    outside = figures["seconds"] - figures["forward"]
    return (
        f"{work.name}: {who}: {figures['seconds']:.1f} s, {figures['seconds'] / work.count:.3f} s a case, "
        f"{outside:.1f} s outside the network, peak {figures['mib']:.0f} MiB"
    )


def announced(classes: int, folder: Path, threads: int) -> None:
    """Print the peak of a whole command on a large scan beside the one that it announced."""
    place = laid_out(Work(f"large_{classes}", (512, 512, 600), 0.75, 1.5, (96, 96, 96), classes), folder)
    words = [
        "predict", f"run={place / 'model'}", f"input={place / 'scans'}", f"output={fresh(place / 'segkit')}",
        "inference.mirror=none", "inference.precision=32", "device=cpu",
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    began, peak = time.perf_counter(), 0
    process = subprocess.Popen(
        [sys.executable, "-m", "segkit", *words], env=environment, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None:
        peak = max(peak, tree_peak(process.pid))
        time.sleep(0.05)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(said)
    number, unit = AMOUNT.findall(said)[-1]
    plan = float(number) * {"GB": 1e9, "MB": 1e6}[unit]
    scan = 512 * 512 * 600
    bound = scan * 2 + scan + 2e9 + 1e9
    seconds = time.perf_counter() - began
    print(
        f"512x512x600, {classes} classes: {seconds:.0f} s, peak {peak / GIGABYTE:.2f} GB, announced "
        f"{plan / GIGABYTE:.2f} ({peak / plan:.3f}); image + mask + inference.memory + 1 GB is {bound / GIGABYTE:.2f}",
        flush=True,
    )
    if not 1 / ALLOWED <= peak / plan <= ALLOWED:
        print("  that is more than a tenth off")


def tree_peak(pid: int) -> int:
    """Return the sum of VmHWM over a process and what it started, in bytes."""
    total = 0
    for each in [pid, *children_of(pid)]:
        try:
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return total


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        own = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [*own, *(below for child in own for below in children_of(child))]


def main() -> None:
    """Run the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", nargs="*", choices=["ct", "cohort", "large"], default=["ct", "cohort", "large"])
    parser.add_argument("--classes", nargs="*", type=int, default=list(LARGE), help="of the rows `large`")
    parser.add_argument("--peer", type=Path, help="a Python that has nnunetv2 2.8.1")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", type=int, default=COHORT.count)
    parser.add_argument("--memory", default="2GB", help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=2, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return segkits(*args.child, args.memory)
    folder = args.work.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if "ct" in args.rows:
        side_by_side(CT, folder, args.peer or peers_python(folder), args.threads, ["sequential"])
    if "cohort" in args.rows:
        cohort = replace(COHORT, count=args.cases, name=f"cohort_{args.cases}")
        side_by_side(cohort, folder, args.peer or peers_python(folder), args.threads, ["sequential", "workers"])
    if "large" in args.rows:
        for classes in args.classes:
            announced(classes, folder, args.threads)
    return None


if __name__ == "__main__":
    main()
