"""A run that was trained, predicted and evaluated, in a moment: its files are written as the commands write them."""

import csv
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import numpy as np

from segkit.config.compose import configure
from segkit.evaluation.evaluate import evaluate_pairs, write_evaluation
from segkit.foundation.files import write_json, write_yaml
from segkit.runs.manifest import Manifest, write_manifest

LABELS = {"background": 0, "inner": 1, "outer": 2}
SHAPE, AFFINE = (20, 18, 12), np.diag([-1.0, 1.0, 2.0, 1.0])
STEPS = "step,seconds,loss,learning_rate,waiting,dice,dice_inner,dice_outer\n"


def ball(shift: int) -> np.ndarray:
    """Labels of a ball in a shell, shifted along the first axis."""
    axes = np.meshgrid(*[np.arange(size) for size in SHAPE], indexing="ij")
    far = sum((axis - middle) ** 2 for axis, middle in zip(axes, (8 + shift, 9, 6), strict=True))
    return np.select([far < 9, far < 25], [1, 2], 0).astype(np.uint8)


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, AFFINE), path)
    return path


def make_run(
    folder: Path, name: str = "run", cases: int = 4, references: bool = True, names: list[str] | None = None
) -> Path:
    """Make the folder of a run beside its data; the masks of its cases are 0, 1, 2, 3, 0 ... voxels off."""
    root, run = folder / f"{name}_data", folder / name
    names = names or [f"case_{index}" for index in range(cases)]
    masks = run / "predictions" / "held_out"
    pairs = {}
    for index, case in enumerate(names):
        drawn, found = ball(0), ball(index % 4)
        noise = np.random.default_rng(index).normal(0, 5, SHAPE)
        image = (100.0 * (drawn > 0) + 50 * (drawn == 1) + noise).astype(np.int16)
        file = f"{case}.nii.gz"
        for array, path in ((image, root / "images" / file), (drawn, root / "labels" / file), (found, masks / file)):
            alike = path.with_name(f"{names[index % 4]}.nii.gz")
            save(array, path) if index < 4 else path.hardlink_to(alike)  # hundreds are made in a moment
        pairs[case] = (masks / file, root / "labels" / file)
    words = ["data=paired", f"data.root={root}", "data.labels={background: 0, inner: 1, outer: 2}", "training.steps=20"]
    words += [] if references else ["data.layout.references=null"]
    write_yaml(run / "config.yaml", asdict(configure("train", words)))
    write_yaml(run / "overrides.yaml", words)
    write_json(run / "split.json", {"training": ["t"], "validation": [], "held_out": names})
    write_json(
        run / "status.json", {"state": "finished", "at": "2026-11-27T08:00:00+00:00", "steps": 20, "seconds": 9.5}
    )
    rows = "".join(f"{step},{step / 2},{2 / step},0.001,0.01,,,\n" for step in range(1, 21))
    (run / "metrics.csv").write_text(f"{STEPS}{rows}20,10,,,,0.8,0.7,0.9\n")
    entries = {case: {"mask": f"{case}.nii.gz", "key": "k"} for case in names}
    write_manifest(masks, Manifest(LABELS, ["w"], entries))
    if references:
        write_evaluation(evaluate_pairs(pairs, LABELS, bootstrap=200), run / "evaluation")
    return run


def rename_case(run: Path, old: str, new: str) -> None:
    """Let the scores of a run call a case otherwise; only a table of paths can give it a name with slashes."""
    path = run / "evaluation" / "cases.csv"
    rows = list(csv.reader(path.open(encoding="utf-8")))
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[new if cell == old else cell for cell in row] for row in rows])
