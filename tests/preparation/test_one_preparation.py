"""One scan fed both ways: what prediction shows the network is what training reads from the store, bit for bit."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from segkit.config.labels import labels_from
from segkit.config.options import InferenceOptions
from segkit.config.plan import Normalisation
from segkit.datasets import Case
from segkit.inference.model import Model
from segkit.preparation.store import prepare_case
from segkit.runs.model_file import ModelRecord
from segkit.training.sampling import PatchDataset
from segkit.volumes.grid import affine_from

LABELS = {"background": 0, "first": 1}


class Witness(nn.Module):
    """Keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return torch.zeros((len(x), 2, *x.shape[2:]))


def both_ways(case, plan, store):
    """The whole prepared scan as prediction shows it to a network, and as training cuts it from the store."""
    stored = prepare_case(case, plan=plan, labels=labels_from(LABELS), store=store)
    whole = PatchDataset([stored], plan.patch, seed=0, foreground=0.0)[(0, 0)]["image"]
    record = ModelRecord("both", LABELS, [], [], plan, {"_target_": "none"}, "0")
    witness = Witness().eval()
    options = InferenceOptions(overlap=0.0, mirror="none", windows=1, memory="1GB", skip_empty=False, precision="32")
    mask = Model((record,), (witness,), options).segment(dict(case.images))
    assert mask.array.shape == mask.scan.grid.shape
    assert len(witness.seen) == 1
    return witness.seen[0][0].numpy(), torch.from_numpy(whole).float().numpy()


def tilted() -> np.ndarray:
    affine = affine_from((0.9, 0.8, 2.0), (-5, 3, 8))
    affine[1, 2] = 0.5
    return affine


@pytest.mark.parametrize("affine", [affine_from((-1.0, 1.2, 2.5)), tilted()], ids=["LAS", "tilted"])
@pytest.mark.parametrize("scheme", ["zscore", "clip_zscore", "none"])
def test_a_volume(affine, scheme, write_nifti, plan, tmp_path):
    array = np.random.default_rng(3).integers(1, 900, (12, 10, 8)).astype(np.int16)
    array[:2] = 0
    case = Case(
        "a", {"CT": write_nifti("image.nii", array, affine)}, write_nifti("ref.nii", (array > 450).astype("u1"), affine)
    )
    how = Normalisation(scheme, 100.0, 700.0, 400.0, 90.0)
    transforms = ({"_target_": "monai.transforms.GaussianSmooth", "sigma": 0.5},)
    whole = plan(spacing=(1.0, 1.0, 2.0), normalisation={"CT": how}, transforms=transforms)
    shape = prepare_case(case, plan=whole, labels=labels_from(LABELS), store=tmp_path / "store").grid.shape
    predicted, trained = both_ways(
        case, plan(**{**vars(whole), "patch": shape, "strides": ((1, 1, 1),), "kernels": ((3, 3, 3),)}),
        tmp_path / "store",
    )  # fmt: skip
    assert np.array_equal(predicted, trained)
    assert predicted.std() > 0.1


def test_a_colour_picture(plan, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    Image.fromarray((pixels[..., 0] > 99).astype(np.uint8)).save(tmp_path / "reference.png")
    case = Case("a", {"photo": tmp_path / "skin.png"}, tmp_path / "reference.png")
    pictures = plan(
        dims=2, spacing=(1.0, 1.0, None), patch=(4, 6, 1), strides=((1, 1),), kernels=((3, 3),),
        normalisation={"photo": Normalisation("unit", width=3)},
    )  # fmt: skip
    predicted, trained = both_ways(case, pictures, tmp_path / "store")
    assert predicted.shape == (3, 4, 6)
    assert np.array_equal(predicted, trained[..., 0])
