"""A tiny prepared data set."""

import nibabel as nib
import numpy as np
import pytest

from segkit.config.options import PlanOptions
from segkit.datasets import Case
from segkit.preparation.pipeline import plan_dataset, prepare_dataset

LABELS = {"background": 0, "ball": 1}


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
    options = PlanOptions(dims=3, orientation="RAS", spacing=None, patch=[16, 16, 16], max_voxels=4096, batch=2)
    plan = plan_dataset(
        cases, options, channels={"MR": "mr"}, labels=LABELS, levels=2, transforms=[], store=folder / "store", workers=1
    )
    return cases, plan, prepare_dataset(cases, plan, labels=LABELS, store=folder / "store", workers=1)
