"""Overlap and surface metrics of 5 labels on 512x512x200: segkit beside MONAI, surface-distance and MedPy, on one core.

    python scripts/benchmarks/metrics.py [--islands] [--repeats 5] [--without MedPy]

Each contestant has a process of its own and one thread. The time is the processor's, from label arrays in memory to
figures per label, so that others on the machine count little; the memory is what a process needs beside the arrays at
its peak. Figures that one convention makes equal are compared and must agree within 1e-6: surface-distance's with
elements weighted by area, MONAI's and MedPy's with boundary voxels. `--islands` scatters 3,000 pieces of the first
label over the mask. MedPy knows no cropping and is given the labels' boxes, to its favour; it is installed into a
virtual environment in the folder for temporary files when it is first needed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measuring import ONE_CORE, measured

SHAPE = (512, 512, 200)
SPACING = (0.8, 0.8, 1.5)
LABELS = {f"label_{value}": value for value in range(1, 6)}
TOLERANCE = 1.0  # mm
ISLANDS = 3000
SAME = ("overlap", "hd", "hd95", "assd", "nsd")
EQUAL = 1e-6
ROUNDED = {"precision": 2e-5}  # MONAI's: false positives come out of float32 counts of more than 2^24 voxels

Figures = dict[str, list[float]]  # metric -> of each label


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of segkit; the others run once")
    parser.add_argument("--islands", action="store_true", help="3,000 pieces of the first label all over the mask")
    parser.add_argument("--without", nargs="*", default=[], help="contestants to leave out")
    parser.add_argument("--contestant", choices=CONTESTANTS, help="measure one in this process and print JSON")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.contestant:
        print(json.dumps(measure(CONTESTANTS[options.contestant], options.folder, options.repeats)))
        return
    with tempfile.TemporaryDirectory() as folder:
        save_masks(Path(folder), islands=options.islands)
        names = [name for name in CONTESTANTS if name not in options.without]
        rows = {name: in_own_process(name, folder, options.repeats) for name in names}
    report(rows)


def report(rows: dict[str, dict[str, Any]]) -> None:
    print(f"{'':26}{'median':>10}{'peak':>12}{'to area':>9}{'to voxel':>9}")
    for name, row in rows.items():
        ratios = [row["seconds"] / rows[ours]["seconds"] for ours in ("segkit, area", "segkit, voxel")]
        print(f"{name:26}{row['seconds'] * 1e3:7.0f} ms{row['mib']:8.0f} MiB{ratios[0]:9.1f}{ratios[1]:9.1f}")
    for name, row in rows.items():
        ours = PARTNERS.get(name)
        if ours is None:
            continue
        for metric, values in row["figures"].items():
            here = np.array(rows[ours]["figures"][metric])
            apart = float(np.max(np.abs(here - values) / np.maximum(np.abs(values), 1e-12)))
            print(f"{name}: {metric:12} differs by at most {apart:.1e} from {ours}")
            if apart > (ROUNDED if name == "MONAI" else {}).get(metric, EQUAL):
                sys.exit(f"{metric} of {name} is {values}, ours {here.tolist()}")


def save_masks(folder: Path, *, islands: bool) -> None:
    """Five bodies with uneven surfaces, and a mask that is moved, larger and uneven in another way."""
    random = np.random.default_rng(1)
    axes = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    mask, reference = (np.zeros(SHAPE, np.uint8, order="F") for _ in range(2))
    for value in LABELS.values():
        centre, radius = random.uniform((130, 130, 60), (380, 380, 140)), random.uniform(50, 110)
        for array, moved in ((reference, 0.0), (mask, random.uniform(-2, 2, 3))):
            away = [
                (axis - c) * s for axis, c, s in zip(axes, centre + moved, (1, 1, SPACING[2] / SPACING[0]), strict=True)
            ]
            waves = sum(np.sin(along / random.uniform(4, 12) + random.uniform(0, 6)) for along in away)
            array[sum(along**2 for along in away) < (radius + waves) ** 2] = value
    if islands:
        for place in random.integers(4, np.array(SHAPE) - 8, (ISLANDS, 3)):
            mask[
                tuple(slice(start, start + size) for start, size in zip(place, random.integers(1, 5, 3), strict=True))
            ] = 1
    np.save(folder / "reference.npy", reference)
    np.save(folder / "mask.npy", mask)


def in_own_process(name: str, folder: str, repeats: int) -> dict[str, Any]:
    python = medpy_python() if name == "MedPy" else sys.executable
    command = [python, __file__, "--contestant", name, "--folder", folder]
    command += ["--repeats", str(repeats if name.startswith("segkit") else 1)]
    ran = subprocess.run(command, env=ONE_CORE, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def medpy_python() -> str:
    """Return the interpreter of an environment with MedPy, made where it is not there yet."""
    folder = Path(tempfile.gettempdir()) / "medpy-0.5.2"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        versions = [f"{name}=={__import__(name).__version__}" for name in ("numpy", "scipy")]
        subprocess.run([python, "-m", "pip", "install", "--quiet", "medpy==0.5.2", *versions], check=True)
    return str(python)


def measure(contestant: Callable[..., Figures], folder: Path, repeats: int) -> dict[str, Any]:
    warnings.simplefilter("ignore")
    small = np.zeros((2, 16, 16, 16), np.uint8)
    for value in LABELS.values():
        small[:, 2 * value : 2 * value + 2, 4:8, 4:8] = value
    contestant(*small)  # imports and first calls are not what is measured
    mask, reference = (np.load(folder / f"{name}.npy") for name in ("mask", "reference"))
    seconds: list[float] = []

    def timed() -> Figures:
        start = time.process_time()
        found = contestant(mask, reference)
        seconds.append(time.process_time() - start)
        return found

    figures, measures = measured(timed, repeats)
    return {"seconds": statistics.median(seconds), "mib": measures["mib"], "figures": figures}


def segkit(
    mask: np.ndarray, reference: np.ndarray, compute: tuple[str, ...], convention: Any, direction: Any
) -> Figures:
    from segkit.evaluation.cases import evaluate_arrays
    from segkit.evaluation.settings import Settings
    from segkit.volumes.grid import Grid, affine_from

    settings = Settings(compute=compute, convention=convention, direction=direction, tolerance=TOLERANCE)
    scores = evaluate_arrays(mask, reference, Grid(mask.shape, affine_from(SPACING)), LABELS, settings)
    return {name: [scores[label][name] for label in LABELS] for name in next(iter(scores.values()))}


def segkit_by_area(mask: np.ndarray, reference: np.ndarray) -> Figures:
    return segkit(mask, reference, SAME, "area", "larger")


def segkit_by_voxel(mask: np.ndarray, reference: np.ndarray) -> Figures:
    return segkit(mask, reference, SAME, "voxel", "larger")


def segkit_pooled(mask: np.ndarray, reference: np.ndarray) -> Figures:
    return segkit(mask, reference, SAME, "voxel", "pooled")


def segkit_everything(mask: np.ndarray, reference: np.ndarray) -> Figures:
    return segkit(mask, reference, ("overlap", "agreement", "surface"), "area", "larger")


def monai(mask: np.ndarray, reference: np.ndarray) -> Figures:
    import torch
    from monai import metrics
    from monai.networks.utils import one_hot

    tensors = (torch.from_numpy(array)[None, None] for array in (mask, reference))
    pair = [one_hot(tensor, num_classes=len(LABELS) + 1, dtype=torch.uint8) for tensor in tensors]
    confusion = metrics.get_confusion_matrix(*pair, include_background=False)
    found = {name: metrics.compute_confusion_matrix_metric(name, confusion) for name in ("precision", "sensitivity")}
    found["dice"] = metrics.compute_dice(*pair, include_background=False)
    found["iou"] = metrics.compute_iou(*pair, include_background=False)
    found["hd"] = metrics.compute_hausdorff_distance(*pair, spacing=SPACING)
    found["hd95"] = metrics.compute_hausdorff_distance(*pair, spacing=SPACING, percentile=95)
    found["assd"] = metrics.compute_average_surface_distance(*pair, spacing=SPACING, symmetric=True)
    found["nsd"] = metrics.compute_surface_dice(*pair, [TOLERANCE] * len(LABELS), spacing=SPACING)
    return {name: values[0].double().tolist() for name, values in found.items()}


def surface_distance(mask: np.ndarray, reference: np.ndarray) -> Figures:
    import surface_distance as theirs

    found: Figures = {name: [] for name in ("dice", "hd", "hd95", "nsd")}
    for value in LABELS.values():
        pair = reference == value, mask == value
        seen = theirs.compute_surface_distances(*pair, SPACING)
        found["dice"].append(float(theirs.compute_dice_coefficient(*pair)))
        found["hd"].append(float(theirs.compute_robust_hausdorff(seen, 100)))
        found["hd95"].append(float(theirs.compute_robust_hausdorff(seen, 95)))
        found["nsd"].append(float(theirs.compute_surface_dice_at_tolerance(seen, TOLERANCE)))
        theirs.compute_average_surface_distance(seen)
    return found


def medpy(mask: np.ndarray, reference: np.ndarray) -> Figures:
    from medpy.metric import binary
    from scipy import ndimage

    figures = {"dice": binary.dc, "iou": binary.jc, "precision": binary.precision, "sensitivity": binary.recall}
    distances = {"hd": binary.hd, "hd95": binary.hd95, "assd": binary.assd}
    found: Figures = {name: [] for name in (*figures, *distances)}
    for value in LABELS.values():
        pair = mask == value, reference == value
        box = ndimage.find_objects((pair[0] | pair[1]).view(np.uint8))[0]
        pair = pair[0][box], pair[1][box]
        for name, figure in figures.items():
            found[name].append(float(figure(*pair)))
        for name, figure in distances.items():
            found[name].append(float(figure(*pair, SPACING)))
    return found


CONTESTANTS: dict[str, Callable[..., Figures]] = {
    "segkit, area": segkit_by_area,
    "segkit, voxel": segkit_by_voxel,
    "segkit, voxel, pooled": segkit_pooled,
    "segkit, 13 metrics": segkit_everything,
    "MONAI": monai,
    "surface-distance": surface_distance,
    "MedPy": medpy,
}
PARTNERS = {"MONAI": "segkit, voxel", "surface-distance": "segkit, area", "MedPy": "segkit, voxel, pooled"}

if __name__ == "__main__":
    main()
