"""Small scans on disk and plans for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from segkit.config.plan import Normalisation, Plan
from segkit.datasets import Case
from segkit.volumes.grid import affine_from

AFFINE = affine_from((1.0, 1.2, 2.5), (-12.0, 7.0, 30.0))
PLAN = Plan(
    dims=3,
    orientation="RAS",
    spacing=(1.0, 1.0, 2.0),
    patch=(8, 8, 8),
    batch=2,
    strides=((1, 1, 1), (2, 2, 2)),
    kernels=((3, 3, 3), (3, 3, 3)),
    normalisation={"MR": Normalisation("zscore")},
)


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """Return a function that changes keys of a small plan."""
    return lambda **changes: replace(PLAN, **changes)


@pytest.fixture
def write_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an array as NIfTI below the test's folder."""

    def write(name: str, array: Any, affine: np.ndarray = AFFINE) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(np.asarray(array), affine), path)
        return path

    return write


@pytest.fixture
def write_case(write_nifti: Callable[..., Path]) -> Callable[..., Case]:
    """Return a function that writes a case: noise within a black border, and two labelled boxes."""

    def write(name: str = "a", *, shape: tuple[int, ...] = (14, 12, 9), seed: int = 0, **changes: Any) -> Case:
        image = np.random.default_rng(seed).normal(300, 40, shape).astype(np.float32)
        image[:2], image[:, -1] = 0, 0
        reference = np.zeros(shape, np.uint8)
        reference[4:9, 3:8, 2:7], reference[9:12, 3:8, 2:7] = 1, 2
        arrays = {"image": image, "reference": reference, **changes}
        paths = {role: write_nifti(f"{role}/{name}.nii", array) for role, array in arrays.items()}
        return Case(name, {"MR": paths["image"]}, paths["reference"])

    return write
