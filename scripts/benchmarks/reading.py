"""Time reading and mask writing of one compressed CT-sized NIfTI beside nibabel and SimpleITK, all in one run.

python scripts/benchmarks/reading.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK

from segkit.volumes.reading import read
from segkit.volumes.writing import write_mask

SHAPE = (512, 512, 200)


def make_scan(path: Path) -> None:
    """Write an int16 body of noise in air, which compresses about as a CT does."""
    x, y, z = np.ogrid[-1:1:512j, -1:1:512j, -1:1:200j]
    body = x * x + y * y < 0.8
    noise = np.random.default_rng(0).normal(0, 20, SHAPE)
    voxels = np.where(body, 1000 * np.exp(-3 * (x * x + y * y + z * z)) + noise, -1000).astype(np.int16)
    nib.save(nib.Nifti1Image(voxels, np.diag([0.7, 0.7, 1.5, 1])), path)


def make_mask() -> np.ndarray:
    """Return three nested and separate organs, uint8 in Fortran order."""
    x, y, z = np.ogrid[-1:1:512j, -1:1:512j, -1:1:200j]
    mask = np.zeros(SHAPE, np.uint8, order="F")
    for label, radius, centre in ((1, 0.6, 0.0), (2, 0.2, 0.0), (3, 0.1, 0.7)):
        mask[(x - centre) ** 2 + y * y + z * z < radius**2] = label
    return mask


def timed(contenders: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Return the median seconds of each contender; they take turns, so that a slow minute hits all."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def report(title: str, medians: dict[str, float]) -> None:
    ours = next(iter(medians.values()))
    print(title)
    for name, median in medians.items():
        print(f"  {name:34s} {1000 * median:7.0f} ms   {median / ours:5.2f} x segkit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "scan.nii.gz"), Path(folder, "mask.nii.gz")
        make_scan(path)
        scan, mask = read(path), make_mask()
        mask_c = np.ascontiguousarray(mask)
        reading = {
            "segkit.read": lambda: read(path).array,
            "nibabel get_fdata": lambda: nib.load(path).get_fdata(),
            "nibabel asanyarray(dataobj)": lambda: np.asanyarray(nib.load(path).dataobj),
            "SimpleITK": lambda: SimpleITK.GetArrayViewFromImage(SimpleITK.ReadImage(path)),
        }
        report(f"read {SHAPE} int16 .nii.gz, {path.stat().st_size / 1e6:.0f} MB", timed(reading, repeats))
        writing = {
            "segkit.write_mask, Fortran order": lambda: write_mask(mask, scan, out),
            "segkit.write_mask, C order": lambda: write_mask(mask_c, scan, out),
            "nibabel save, Fortran order": lambda: nib.save(nib.Nifti1Image(mask, scan.affine), out),
            "nibabel save, C order": lambda: nib.save(nib.Nifti1Image(mask_c, scan.affine), out),
        }
        report("write its mask", timed(writing, repeats))


if __name__ == "__main__":
    main()
