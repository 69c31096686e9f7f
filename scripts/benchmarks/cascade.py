"""A cascade beside its halves on large volumes whose small target only distant context tells from its doubles.

    python scripts/benchmarks/cascade.py WORK [--cases 16] [--held-out 4] [--size 256 256 200] [--length 240s]

Made are volumes of 1 mm voxels with a large body, a large organ in one of its four quadrants and a small ball in each
of them, all alike. The target is the ball of the organ's quadrant, which lies farther from the organ than a patch
reaches at full resolution: `plan=full_3d` alone cannot know it, and `plan=low_3d` alone sees it in a few coarse voxels.
Trained are low, full and the cascade, each as long as the others (half of the cascade's time is its low stage's) on the
same cases, network and patch; a length without a unit is a number of steps. Printed are the Dice of the target over the
held-out cases with its interval, how many of them were found (Dice above one half), and the share of mask voxels that
lie on another ball.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from measuring import segkit, trained_for
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

BODY, ORGAN, BALL = 60.0, 120.0, 160.0  # intensities; air is 0
NOISE = 15.0
ORGAN_RADIUS, BALL_RADII = 0.12, (0.02, 0.03)  # of the shortest axis
APART = 0.3  # of the last axis, between the middles of organ and balls
METHODS = {"low alone": ("plan=low_3d",), "full alone": (), "cascade": ("cascade=low_full",)}


def ball(shape: Sequence[int], centre: Sequence[float], radius: float) -> NDArray[np.bool_]:
    """Return a ball of `radius` voxels."""
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    inside: NDArray[np.bool_] = sum((a - c) ** 2 for a, c in zip(axes, centre, strict=True)) < radius**2
    return inside


def volume(shape: Sequence[int], seed: int) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return an image, and a map in which the target is 1 and its doubles are 2."""
    draw = np.random.default_rng(seed)
    sizes, shortest = np.array(shape, float), min(shape)
    axes = np.ogrid[tuple(slice(-1, 1, size * 1j) for size in shape)]
    body = sum(axis**2 for axis in axes) < 0.95
    quadrants = [(x, y) for x in (-1, 1) for y in (-1, 1)]
    chosen, middle = int(draw.integers(4)), sizes[2] * (0.5 + draw.uniform(-0.03, 0.03))
    image = BODY * body
    places = np.zeros(shape, np.uint8)
    for number, (x, y) in enumerate(quadrants):
        across = sizes[:2] * (0.5 + 0.18 * np.array([x, y]) + draw.uniform(-0.02, 0.02, 2))
        if number == chosen:
            image[ball(shape, (*across, middle - APART / 2 * sizes[2]), ORGAN_RADIUS * shortest)] = ORGAN
        small = ball(shape, (*across, middle + APART / 2 * sizes[2]), draw.uniform(*BALL_RADII) * shortest)
        image[small] = BALL
        places[small] = 1 if number == chosen else 2
    noise = gaussian_filter(draw.normal(size=tuple(shape)).astype(np.float32), 0.7)
    image = np.where(body, image + NOISE / 0.35 * noise, 0)  # the blurred noise has a deviation of about 0.35
    return image.astype(np.int16), places


def make(work: Path, cases: int, held_out: int, shape: Sequence[int]) -> Path:
    """Write the data set once."""
    data = work / "data"
    for folder in ("images", "labels", "doubles"):
        (data / folder).mkdir(parents=True, exist_ok=True)
    for number in range(cases):
        name = f"case_{number:02}.nii.gz"
        if not (data / "images" / name).exists():
            image, places = volume(shape, number)
            nib.save(nib.Nifti1Image((places == 1).astype(np.uint8), np.eye(4)), data / "labels" / name)
            nib.save(nib.Nifti1Image((places == 2).astype(np.uint8), np.eye(4)), data / "doubles" / name)
            nib.save(nib.Nifti1Image(image, np.eye(4)), data / "images" / name)
    listed = "\n".join(f"case_{number:02}" for number in range(cases - held_out, cases))
    (data / "held_out.txt").write_text(listed)
    return data


def trained(work: Path, data: Path, method: str, options: argparse.Namespace) -> Path:
    """Train and predict by one method; return its run."""
    run = work / method.replace(" ", "_")
    words = [
        "data=paired", f"data.root={data}", "data.labels={background: 0, target: 1}",
        f"data.split.held_out={data / 'held_out.txt'}", f"paths.cache={work / 'cache'}", f"output={run}",
        f"plan.patch=[{options.patch},{options.patch},{options.patch}]",
        f"network.features=[{options.features}]", trained_for(options.length), "training.foreground=0.5",
        *METHODS[method],
    ]  # fmt: skip
    if not (run / "model" / "model.yaml").exists():
        segkit("train", *words, "inference.overlap=0.25")
    segkit("predict", f"run={run}", "split=held_out", "inference.overlap=0.25", "inference.skip_empty=true")
    segkit(
        "evaluate", f"predictions={run / 'predictions' / 'held_out'}", f"references={data / 'labels'}",
        f"output={run / 'evaluation'}",
    )  # fmt: skip
    return run


def row(method: str, run: Path, data: Path) -> str:
    """Return a method's row of the table."""
    scores = json.loads((run / "evaluation" / "summary.json").read_text())["labels"]["target"]["dice"]
    found, wrong, voxels = 0, 0, 0
    masks = sorted((run / "predictions" / "held_out").glob("*.nii.gz"))
    for path in masks:
        mask, target, doubles = (
            np.asarray(nib.load(each).dataobj) > 0
            for each in (path, data / "labels" / path.name, data / "doubles" / path.name)
        )
        found += bool(2 * (mask & target).sum() > 0.5 * (mask.sum() + target.sum()))
        wrong, voxels = wrong + int((mask & doubles).sum()), voxels + int(mask.sum())
    steps = json.loads((run / "status.json").read_text())["steps"]
    low, high = scores["ci95"]
    return (
        f"| {method} | {steps} | {scores['mean']:.3f} ({low:.3f} to {high:.3f}) | {found} of {len(masks)} | "
        f"{wrong / max(1, voxels):.0%} |"
    )


def main() -> None:
    """Make, train, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--cases", type=int, default=16)
    parser.add_argument("--held-out", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=3, default=(256, 256, 200))
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--features", default="16,32,64,128")
    parser.add_argument("--length", default="240s", help="of each training")
    options = parser.parse_args()
    work = options.work.resolve()
    data = make(work, options.cases, options.held_out, options.size)
    print("| | steps | Dice of the target | found | on a double |\n|---|---|---|---|---|")
    for method in METHODS:
        print(row(method, trained(work, data, method, options), data), flush=True)


if __name__ == "__main__":
    main()
