"""Small masks on disk."""

from pathlib import Path

import nibabel
import numpy as np
import pytest

from segkit.volumes.grid import affine_from

AFFINE = affine_from((1.0, 2.0, 5.0), (-3.0, 4.0, 10.0))


@pytest.fixture
def write_nifti(tmp_path):
    def write(name, array, affine=AFFINE) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(np.asarray(array), affine), path)
        return path

    return write


@pytest.fixture
def cohort(write_nifti):
    """Six pairs of folders `predictions` and `references` with values 0, 1, 2; case b has no 2 in either file."""
    random = np.random.default_rng(7)
    pairs = {}
    for case in "fbdace":
        reference = random.integers(0, 2 if case == "b" else 3, (6, 5, 4)).astype(np.uint8)
        mask = np.where(random.random(reference.shape) < 0.8, reference, 0).astype(np.uint8)
        pairs[case] = tuple(
            write_nifti(f"{folder}/{case}.nii.gz", array)
            for folder, array in (("predictions", mask), ("references", reference))
        )
    return pairs
