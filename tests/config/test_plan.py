from dataclasses import asdict, replace

import pytest

from segkit.config.plan import Normalisation, Plan, plan_from
from segkit.foundation.errors import DataError
from segkit.foundation.files import read_yaml, write_yaml

VOLUMES = Plan(
    dims=3,
    orientation="RAS",
    spacing=(1.0, 0.78125, None),
    patch=(40, 56, 14),
    batch=2,
    strides=((1, 1, 1), (2, 2, 1), (2, 2, 2)),
    kernels=((3, 3, 1), (3, 3, 3), (3, 3, 3)),
    normalisation={"CT": Normalisation("clip_zscore", -79.0, 304.5, 101.0, 39.25), "PET": Normalisation("zscore")},
    transforms=({"_target_": "monai.transforms.ScaleIntensity", "minv": 0.0},),
    reasons={"patch": "as configured"},
)
PICTURES = replace(
    VOLUMES,
    dims=2,
    orientation=None,
    spacing=(1.0, 1.0, None),
    patch=(64, 32, 1),
    strides=((1, 1), (2, 2)),
    kernels=((3, 3), (3, 3)),
    normalisation={"photo": Normalisation("unit", width=3), "depth": Normalisation("none")},
    transforms=(),
)


@pytest.mark.parametrize("plan", [VOLUMES, PICTURES], ids=["3d", "2d"])
def test_a_plan_comes_back_from_yaml_as_it_was(plan, tmp_path):
    write_yaml(tmp_path / "plan.yaml", asdict(plan))
    assert plan_from(read_yaml(tmp_path / "plan.yaml"), where="plan.yaml") == plan


def test_a_colour_channel_is_three_array_channels():
    assert [how.scheme for how in PICTURES.channels] == ["unit", "unit", "unit", "none"]
    assert [how.scheme for how in VOLUMES.channels] == ["clip_zscore", "zscore"]


def test_a_2d_network_does_not_see_the_slice_axis():
    assert (PICTURES.slice_axis, PICTURES.network_patch) == (2, (64, 32))
    sagittal = replace(PICTURES, patch=(1, 64, 32))
    assert (sagittal.slice_axis, sagittal.network_patch) == (0, (64, 32))
    assert (VOLUMES.slice_axis, VOLUMES.network_patch) == (None, (40, 56, 14))


BROKEN = {
    "unknown key": {"colour": 1},
    "unknown normalisation key": {"normalisation": {"CT": {"scheme": "zscore", "colour": 1}}},
    "a word for a number": {"normalisation": {"CT": {"scheme": "clip_zscore", "low": "deep"}}},
    "normalisation is a list": {"normalisation": [1, 2]},
    "no channel": {"normalisation": {}},
    "patch of two axes": {"patch": [40, 56]},
    "patch without end": {"patch": [40, float("inf"), 14]},
    "empty patch": {"patch": [40, 0, 14]},
    "patch is a number": {"patch": 40},
    "patch between strides": {"patch": [42, 56, 14]},
    "spacing of zero": {"spacing": [1.0, 0.0, None]},
    "spacing is no number": {"spacing": [1.0, float("nan"), None]},
    "four dimensions": {"dims": 4},
    "2D without a slice axis": {"dims": 2, "strides": [[1, 1]], "kernels": [[3, 3]]},
    "no levels": {"strides": [], "kernels": []},
    "other levels of kernels": {"kernels": [[3, 3, 3]]},
    "levels of two axes": {"strides": [[1, 1]] * 3},
    "stride of zero": {"strides": [[1, 1, 1], [2, 0, 1], [2, 2, 2]]},
    "batch of nothing": {"batch": 0},
    "batch of words": {"batch": "many"},
    "neighbours in 3D": {"neighbours": 1},
    "transforms are words": {"transforms": ["monai.transforms.ScaleIntensity"]},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_malformed_plan_is_refused_in_one_line(change):
    with pytest.raises(DataError, match=r"^somewhere\.yaml is not a plan") as refused:
        plan_from({**asdict(VOLUMES), **change}, where="somewhere.yaml")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "key", ["dims", "orientation", "spacing", "patch", "batch", "strides", "kernels", "normalisation"]
)
def test_a_missing_key_is_named(key):
    mapping = asdict(VOLUMES)
    del mapping[key]
    with pytest.raises(DataError, match=f"it has no '{key}'"):
        plan_from(mapping, where="plan.yaml")


@pytest.mark.parametrize("value", [None, [], "plan", 3])
def test_what_is_no_mapping_is_no_plan(value):
    with pytest.raises(DataError, match="is not a plan"):
        plan_from(value, where="plan.yaml")
