"""Small cases on disk, sound unless told otherwise."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.datasets import Case

CHANNELS = {"MR": Channel("mr")}
LABELS = labels_from({"background": 0, "ball": 1, "tip": 2})
SHAPE = (18, 20, 16)


def volume(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and its reference: a bright ball off the centre, with a brighter tip."""
    draw = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij"))
    distance = ((places - np.reshape(draw.uniform(5, 7, 3), (3, 1, 1, 1))) ** 2).sum(0)
    reference = (distance < 16).astype(np.uint8) + (distance < 3)
    return (reference * 60 + 100 + draw.normal(0, 8, SHAPE)).astype(np.float32), reference


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an array as NIfTI."""

    def write(name: str, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(array, np.eye(4) if affine is None else affine), path)
        return path

    return write


@pytest.fixture
def make_case(write) -> Callable[..., Case]:
    """Return a function that writes a case; `image`, `reference` and their affines may be replaced."""

    def make(name="a", seed=0, *, image=None, reference=None, image_affine=None, affine=None, **columns) -> Case:
        own, drawn = volume(seed)
        first = write(f"images/{name}.nii.gz", own if image is None else image, image_affine)
        second = write(f"labels/{name}.nii.gz", drawn if reference is None else reference, affine)
        return Case(name, {"MR": first}, second, columns)

    return make
