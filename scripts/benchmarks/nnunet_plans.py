"""Run nnU-Net 2's planner on fingerprints; called by `plans.py --nnunet` with a Python that has nnunetv2.

Reads tasks as JSON from standard input and prints their 3d_fullres plans as one line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np


def plan_of(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return nnU-Net's plan for one task, whose files it expects in `folder`."""
    from nnunetv2.experiment_planning.experiment_planners.default_experiment_planner import ExperimentPlanner

    name = f"Dataset{len(list(folder.iterdir())) + 1:03d}_{task['name']}"
    (folder / name / "imagesTr").mkdir(parents=True)
    modality = "CT" if task["family"] == "ct" else "MR"
    described = {
        "channel_names": {str(index): modality for index in range(task["channels"])},
        "labels": {"background": 0, **{str(label): label for label in range(1, task["labels"])}},
        "numTraining": task["cases"],
        "file_ending": ".nii.gz",
    }
    seen = {
        "spacings": [task["spacing"]] * task["cases"],
        "shapes_after_crop": [task["size"]] * task["cases"],
        "median_relative_size_after_cropping": 1.0,
    }
    (folder / name / "dataset.json").write_text(json.dumps(described))
    (folder / name / "dataset_fingerprint.json").write_text(json.dumps(seen))
    planner = ExperimentPlanner(name)
    voxels = float(np.prod(task["size"])) * task["cases"]
    spacing = planner.determine_fullres_target_spacing()
    plan = planner.get_plans_for_configuration(spacing, np.array(task["size"]), "plan", voxels, {})
    network = plan["architecture"]["arch_kwargs"]
    return {
        "patch": [int(edge) for edge in plan["patch_size"]],
        "batch": int(plan["batch_size"]),
        "strides": [list(level) for level in network["strides"]],
        "kernels": [list(level) for level in network["kernel_sizes"]],
    }


def main() -> None:
    """Plan every task; nnU-Net's own prints go to standard error."""
    tasks = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
        for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
            os.environ[variable] = folder
        plans = [plan_of(task, Path(folder)) for task in tasks]
    print(json.dumps(plans))


if __name__ == "__main__":
    main()
