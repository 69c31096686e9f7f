"""Which rules a model applies, and that they see the scan's own grid."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image
from streams import EXACT
from torch import nn

from segkit.config.options import PostprocessingOptions
from segkit.config.plan import Normalisation, Plan
from segkit.config.rules import Rule
from segkit.foundation.errors import UsageError
from segkit.inference.model import Model
from segkit.inference.rules import rules_of, said_of
from segkit.runs.model_file import ModelRecord
from segkit.volumes.grid import affine_from

LARGEST, FILLED = {"keep_largest": True}, {"fill_holes": True}
RECORD = ModelRecord(
    name="own",
    labels={"background": 0, "organ": 1, "lesion": 2},
    mirrored=[],
    flips=[],
    plan=Plan(
        3, None, (None, None, None), (8, 8, 8), 1, ((1, 1, 1),), ((3, 3, 3),), {"MR": Normalisation("none")}
    ),
    network={"_target_": "none"},
    segkit="0",
    postprocessing={"organ": LARGEST, "lesion": {"smallest_mm3": 5.0}},
)  # fmt: skip


def given(learnt=True, **rules):
    return PostprocessingOptions(learnt=learnt, rules=rules)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"organ": Rule(True), "lesion": Rule(smallest_mm3=5.0)}),
        (given(), {"organ": Rule(True), "lesion": Rule(smallest_mm3=5.0)}),
        (given(learnt=False), {}),
        (given(organ=FILLED), {"organ": Rule(fill_holes=True), "lesion": Rule(smallest_mm3=5.0)}),
        (given(organ={}), {"lesion": Rule(smallest_mm3=5.0)}),
        (given(learnt=False, lesion=FILLED), {"lesion": Rule(fill_holes=True)}),
    ],
)
def test_rules_of_the_user_stand_over_those_learnt(options, expected):
    assert rules_of([RECORD], options) == expected


def test_of_an_ensemble_what_all_learnt_counts_and_the_users_rules_stand_over_it():
    other = replace(RECORD, postprocessing={"organ": LARGEST})
    assert rules_of([RECORD, other]) == {"organ": Rule(True)}
    assert rules_of([RECORD, other], given(lesion=FILLED)) == {"organ": Rule(True), "lesion": Rule(fill_holes=True)}


@pytest.mark.parametrize("name", ["heart", "background"])
def test_a_label_that_is_none_of_the_models_is_refused(name):
    with pytest.raises(UsageError, match=f"{name} is not a label; labels: organ, lesion"):
        rules_of([RECORD], given(**{name: LARGEST}))


class Threshold(nn.Module):
    """The second class where the image is above one half."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([0.5 - x, x - 0.5, torch.full_like(x, -9)], dim=1)


def segmented(path, rule, **plan):
    record = replace(RECORD, plan=replace(RECORD.plan, **plan))
    options = replace(EXACT, overlap=0.0)
    return Model((record,), (Threshold().eval(),), options, {"organ": rule}).segment(str(path)).array


def test_volumes_are_those_of_the_scans_grid_sheared_or_not(tmp_path):
    affine = affine_from((0.5, 1.0, 2.0))  # a voxel has 1 mm3
    affine[1, 2] = 0.6
    image = np.zeros((10, 9, 8), np.float32)
    image[2:5, 2:4, 2:4], image[7:9, 6, 5] = 1, 1
    nib.save(nib.Nifti1Image(image, affine), tmp_path / "tilted.nii")
    plain = segmented(tmp_path / "tilted.nii", Rule())
    small = int((plain[6:] > 0).sum())
    assert 0 < small < int((plain[:6] > 0).sum())
    kept, gone = (segmented(tmp_path / "tilted.nii", Rule(smallest_mm3=mm3)) for mm3 in (small, small + 0.1))
    assert np.array_equal(kept, plain)
    assert np.array_equal(gone[:6], plain[:6])
    assert not gone[6:].any()


def test_a_picture_is_one_plane(tmp_path):
    pixels = np.zeros((9, 12), np.uint8)  # rows, columns
    pixels[2:7, 1:6], pixels[4, 3], pixels[8, 10:12] = 255, 0, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    rule = Rule(smallest_mm3=3.0, fill_holes=True)  # pixels of 1 x 1 x 1 mm, since a PNG tells no spacing
    flat = {"dims": 2, "patch": (12, 9, 1), "strides": ((1, 1),), "kernels": ((3, 3),)}
    mask = segmented(tmp_path / "a.png", rule, **flat, normalisation={"photo": Normalisation("unit")})
    expected = np.zeros((12, 9), np.uint8)
    expected[1:6, 2:7] = 1
    assert np.array_equal(mask, expected)


def test_what_is_said_of_rules_is_true():
    bare = replace(RECORD, postprocessing={})
    said = lambda records, options: said_of(rules_of(records, options), records, options)  # noqa: E731
    assert said([RECORD], given()) == "organ: largest component; lesion: no components below 5 mm3"
    assert said([RECORD], given(learnt=False)) == "none, as asked"
    assert said([RECORD], given(organ={}, lesion={})) == "none, as asked"
    assert said([bare], given()) is said([bare, bare], given()) is None
    assert said([RECORD, bare], given()) == "none: the models share no rule that they learnt"
