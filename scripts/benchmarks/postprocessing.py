"""Components and holes of 5 labels on 512x512x200: segkit beside MONAI, on one core, each in a process of its own.

    python scripts/benchmarks/postprocessing.py [--repeats 5] [--shape 512 512 200] [--peer PYTHON]

The time is that of a label map in memory to the new label map; the memory is what a process needs beside the first at
its peak. Both do the same to the same labels, and the voxels that change, and those in which the results differ, are
counted. MONAI's components need scikit-image: `pip install scikit-image`, or name a Python that has both with --peer.
Its RemoveSmallObjects takes one label at a time, since it would count a whole label as one object otherwise, and half a
voxel less, since scikit-image 0.26 removes what has just `min_size` voxels too. Its FillHoles fills over other labels;
here none lies inside another.
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

CENTRES = (
    (0.25, 0.3, 0.5),
    (0.72, 0.25, 0.4),
    (0.3, 0.75, 0.6),
    (0.7, 0.7, 0.5),
    (0.5, 0.5, 0.5),
)  # shares of the shape
RADII = ((0.18, 0.2, 0.35), (0.15, 0.15, 0.3), (0.16, 0.15, 0.3), (0.2, 0.18, 0.35), (0.06, 0.06, 0.15))
LABELS = range(1, len(CENTRES) + 1)
SPECKS, HOLES = 200, 20  # of each label
LEAST = 50  # voxels of a component that stays; a speck has 8
WORKS = ("largest", "small", "holes")
Contestant = Callable[[np.ndarray, str], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shape", type=int, nargs=3, default=(512, 512, 200))
    parser.add_argument("--peer", default=sys.executable, help="Python with MONAI and scikit-image")
    parser.add_argument("--contestant", choices=CONTESTANTS, help="measure one in this process and print JSON")
    parser.add_argument("--work", choices=WORKS)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.contestant:
        print(json.dumps(measure(options.contestant, options.work, options.folder, options.repeats)))
        return
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "mask.npy", predicted(tuple(options.shape)))
        print(f"{'medians':10}{'segkit':>12}{'peak':>12}{'MONAI':>12}{'peak':>12}{'ratio':>8}  changed  differ")
        for work in WORKS:
            pythons = {"segkit": sys.executable, "monai": options.peer}
            rows = {name: in_own_process(pythons[name], name, work, folder, options.repeats) for name in CONTESTANTS}
            print(line(work, rows, *(np.load(Path(folder) / f"{name}.npy") for name in ("mask", *CONTESTANTS))))


def line(work: str, rows: dict[str, Any], mask: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> str:
    cells = "".join(f"{row['seconds'] * 1e3:9.0f} ms{row['mib']:8.0f} MiB" for row in rows.values())
    ratio = rows["monai"]["seconds"] / rows["segkit"]["seconds"]
    return f"{work:10}{cells}{ratio:8.1f}{np.count_nonzero(ours != mask):9}{np.count_nonzero(ours != theirs):8}"


def predicted(shape: tuple[int, ...]) -> np.ndarray:
    """Five ellipsoids with specks beside them and holes within, as a hasty network leaves them."""
    random = np.random.default_rng(1)
    mask = np.zeros(shape, np.uint8)
    axes = np.ogrid[tuple(slice(0, size) for size in shape)]
    for label, centre, radii in zip(LABELS, CENTRES, RADII, strict=True):
        parts = zip(axes, shape, centre, radii, strict=True)
        mask[sum(((axis / size - c) / r) ** 2 for axis, size, c, r in parts) < 1] = label
    for label, centre, radii in zip(LABELS, CENTRES, RADII, strict=True):
        for reach, count in ((1.8, SPECKS), (0.5, HOLES)):
            places = (random.uniform(-reach, reach, (count, 3)) * radii + centre).clip(0.02, 0.95) * shape
            for place in places.astype(int):
                cube = mask[tuple(slice(start, start + 2) for start in place)]
                if reach > 1 and not cube.any():
                    cube[:] = label
                elif reach < 1:
                    cube[:] = 0
    return mask


def in_own_process(python: str, name: str, work: str, folder: str, repeats: int) -> dict[str, Any]:
    command = [python, __file__, "--contestant", name, "--work", work, "--folder", folder, "--repeats", str(repeats)]
    ran = subprocess.run(command, env=ONE_CORE, check=False, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"{name} with {python}: {ran.stderr.splitlines()[-1]}")
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


def measure(name: str, work: str, folder: Path, repeats: int) -> dict[str, Any]:
    contestant = CONTESTANTS[name]
    contestant(predicted((24, 24, 24)), work)  # imports and first calls are not what is measured
    mask = np.load(folder / "mask.npy")
    result, figures = measured(lambda: contestant(mask, work), repeats)
    np.save(folder / f"{name}.npy", result)
    return figures


def segkit(mask: np.ndarray, work: str) -> np.ndarray:
    from segkit.config.labels import labels_from
    from segkit.config.rules import Rule
    from segkit.postprocessing.applying import apply_rules

    labels = labels_from({"background": 0, **{f"label_{value}": value for value in LABELS}})
    rules = {"largest": Rule(keep_largest=True), "small": Rule(smallest_mm3=LEAST), "holes": Rule(fill_holes=True)}
    return apply_rules(mask, dict.fromkeys(labels.foreground, rules[work]), labels, voxel_mm3=1.0)


def monai(mask: np.ndarray, work: str) -> np.ndarray:
    import warnings

    from monai.transforms import FillHoles, KeepLargestConnectedComponent, RemoveSmallObjects

    warnings.simplefilter("ignore")
    if work == "small":
        remove, result = RemoveSmallObjects(min_size=LEAST - 0.5, connectivity=3), np.zeros_like(mask)
        for value in LABELS:
            result[np.asarray(remove((mask == value)[None]))[0]] = value
        return result
    transforms = {
        "largest": KeepLargestConnectedComponent(applied_labels=LABELS, is_onehot=False, connectivity=3),
        "holes": FillHoles(applied_labels=LABELS, connectivity=1),
    }
    return np.asarray(transforms[work](mask[None].copy()))[0]


CONTESTANTS: dict[str, Contestant] = {"segkit": segkit, "monai": monai}

if __name__ == "__main__":
    main()
