"""A tiny prepared data set."""

import nibabel as nib
import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.config.plan import Normalisation, Plan
from segkit.datasets import Case
from segkit.preparation.pipeline import prepare_dataset

LABELS = labels_from({"background": 0, "ball": 1})
PLAN = Plan(
    3,
    "RAS",
    (1.0, 1.0, 1.0),
    (16, 16, 16),
    2,
    ((1, 1, 1), (2, 2, 2)),
    ((3, 3, 3), (3, 3, 3)),
    {"MR": Normalisation("zscore")},
)


def write_case(folder, index):
    draw = np.random.default_rng(index)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in (18, 20, 16)], indexing="ij"))
    centre = draw.uniform(6, 11, 3)[:, None, None, None]
    reference = (((grid - centre) ** 2).sum(0) < 16).astype(np.uint8)
    image = reference * 2.0 + draw.normal(0, 0.5, reference.shape)
    paths = folder / f"image_{index}.nii", folder / f"reference_{index}.nii"
    for array, path in zip((image.astype(np.float32), reference), paths, strict=True):
        nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return Case(f"ball_{index}", {"MR": paths[0]}, paths[1])


@pytest.fixture(scope="session")
def balls(tmp_path_factory):
    """Cases, plan and prepared cases of bright balls in noise."""
    folder = tmp_path_factory.mktemp("balls")
    cases = [write_case(folder, index) for index in range(4)]
    return cases, PLAN, prepare_dataset(cases, PLAN, labels=LABELS, store=folder / "store", workers=1)
