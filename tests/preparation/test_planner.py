import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.config.options import PlanOptions
from segkit.config.plan import Normalisation, plan_from
from segkit.foundation.plain import plain
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.planner import make_plan

NO_VALUES = np.zeros((1, 0), np.float32)


def planned(shapes, spacings, *, levels=6, channels=None, foreground=NO_VALUES, transforms=(), **options):
    defaults = {"dims": 3, "orientation": "RAS", "spacing": None, "patch": None, "max_voxels": 110592, "batch": 2}
    return make_plan(
        Fingerprint(np.atleast_2d(shapes), np.atleast_2d(spacings).astype(float), foreground),
        PlanOptions(**{**defaults, **options}),
        channels=channels or {"MR": "mr"},
        levels=levels,
        transforms=transforms,
    )


def multiples(plan):
    return tuple(math.prod(strides) for strides in zip(*plan.strides, strict=True))


def test_hippocampus_as_nnunet_plans_it():
    plan = planned([[35, 51, 35], [37, 50, 36], [36, 49, 36]], [[1, 1, 1]] * 3)
    assert plan.patch == (40, 56, 40)  # nnU-Net's published plan of MSD Task04, with three halvings an axis
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert plan.kernels == ((3, 3, 3),) * 4
    assert plan.spacing == (1, 1, 1)


def test_prostate_as_nnunet_plans_it():
    # nnU-Net's published plan of MSD Task05, its axes reversed.
    plan = planned([320, 319, 20], [0.62, 0.62, 3.6], levels=7, patch=[256, 320, 20])
    assert plan.patch == (256, 320, 20)
    assert plan.strides == (
        (1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1),
    )  # fmt: skip
    assert plan.kernels == ((3, 3, 1), (3, 3, 1), *[(3, 3, 3)] * 5)


def test_thick_slices_by_hand():
    # A cube of 110592 voxels has edges of (110592 x 0.5 x 0.5 x 5)^(1/3) = 51.7 mm: 103.4 x 103.4 x 10.3 voxels.
    plan = planned([512, 512, 30], [0.5, 0.5, 5.0])
    assert plan.strides == ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2))
    assert plan.kernels == ((3, 3, 1), (3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3))
    assert plan.patch == (96, 96, 10)
    assert plan.spacing == (0.5, 0.5, 5.0)


def test_a_short_axis_does_not_cost_the_others_their_kernels():
    plan = planned([128, 128, 16], [1, 1, 1], max_voxels=128 * 128 * 16)
    assert plan.patch == (128, 128, 16)
    assert plan.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1), (2, 2, 1))
    assert plan.kernels == ((3, 3, 3),) * 6


def test_pictures_are_planned_in_their_plane():
    plan = planned([512, 512, 1], [1, 1, 1], dims=2, max_voxels=65536, channels={"EM": "mr"})
    assert plan.patch == (256, 256, 1)
    assert plan.spacing == (1, 1, None)
    assert plan.strides == ((1, 1), *[(2, 2)] * 5)
    assert plan.kernels == ((3, 3),) * 6
    assert (plan.slice_axis, plan.network_patch) == (2, (256, 256))


def test_a_picture_may_lie_in_any_plane():
    plan = planned([1, 64, 48], [1, 0.5, 0.5], dims=2)
    assert plan.slice_axis == 0
    assert plan.spacing == (None, 0.5, 0.5)


def test_slices_of_volumes_lie_across_the_thickest_axis():
    plan = planned([20, 320, 320], [3.6, 0.6, 0.6], dims=2)
    assert plan.slice_axis == 0
    assert plan.spacing == (None, 0.6, 0.6)
    assert planned([64, 64, 64], [1, 1, 1], dims=2).slice_axis == 2


def test_a_configured_patch_decides_which_axis_is_across_slices():
    plan = planned([64, 64, 64], [1, 1, 2], dims=2, patch=[32, 1, 16])
    assert plan.patch == (32, 1, 16)
    assert plan.spacing == (1, None, 2)


def test_pictures_in_3d_are_not_halved_across():
    plan = planned([64, 64, 1], [1, 1, 1])
    assert plan.patch == (64, 64, 1)
    assert all(strides[2] == 1 for strides in plan.strides)
    assert all(kernel == (3, 3, 3) for kernel in plan.kernels)


def test_what_rounding_up_would_cost_too_much_is_rounded_down():
    # Spanning all of 45 x 49 x 50 in multiples of 8 takes 48 x 56 x 56 = 150528 voxels.
    assert planned([45, 49, 50], [1, 1, 1], max_voxels=110592).patch == (48, 48, 48)
    assert planned([45, 49, 50], [1, 1, 1], max_voxels=150528).patch == (48, 56, 56)


def test_configured_spacing_scales_sizes():
    plan = planned([60, 60, 20], [1, 1, 3], spacing=[2, 2, 3])
    assert plan.spacing == (2, 2, 3)
    assert plan.patch == (32, 32, 20)  # of 30 x 30 x 20 voxels
    assert plan.reasons["spacing"] == "as configured"


def test_a_configured_patch_keeps_to_the_strides():
    assert planned([100, 100, 100], [1, 1, 1], patch=[30, 33, 64]).patch == (28, 32, 64)
    assert planned([30, 33, 64], [1, 1, 1], patch=[30, 33, 64]).patch == (32, 40, 64)


def test_levels_stop_at_what_the_network_has():
    plan = planned([256, 256, 256], [1, 1, 1], levels=2)
    assert plan.strides == ((1, 1, 1), (2, 2, 2))


def test_spacing_is_the_median_over_cases():
    plan = planned([[40, 40, 40]] * 3, [[1, 1, 1], [0.7, 1.2, 5], [0.8, 1.1, 3]])
    assert plan.spacing == (0.8, 1.1, 3)
    assert "median over 3 cases" in plan.reasons["spacing"]


def test_each_channel_is_normalised_from_its_own_foreground():
    foreground = np.stack([np.full(11, 7.0), *[np.zeros(11)] * 3, np.linspace(0, 100, 11)]).astype(np.float32)
    plan = planned([40, 40, 40], [1, 1, 1], channels={"MR": "mr", "photo": "rgb", "CT": "ct"}, foreground=foreground)
    assert plan.normalisation["MR"] == Normalisation("zscore")
    assert plan.normalisation["photo"] == Normalisation("unit")
    assert plan.normalisation["CT"].mean == 50
    assert plan.normalisation["CT"].high == pytest.approx(99.5)
    assert len(plan.channels) == 5


def test_decisions_pass_through():
    transforms = [{"_target_": "monai.transforms.ScaleIntensity"}]
    plan = planned([40, 40, 40], [1, 1, 1], orientation="LPS", batch=5, transforms=transforms)
    assert (plan.orientation, plan.batch, plan.transforms) == ("LPS", 5, tuple(transforms))
    assert {"spacing", "patch", "strides", "normalisation"} <= set(plan.reasons)


@settings(deadline=None)
@given(
    shape=st.tuples(*[st.integers(2, 400)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8.0)] * 3),
    max_voxels=st.integers(64, 3_000_000),
    levels=st.integers(1, 7),
    dims=st.sampled_from([2, 3]),
)
def test_every_plan_holds_together(shape, spacing, max_voxels, levels, dims):
    plan = planned(shape, spacing, max_voxels=max_voxels, levels=levels, dims=dims)
    assert math.prod(plan.patch) <= max_voxels
    assert 1 <= len(plan.strides) <= levels
    assert plan.strides[0] == (1,) * dims
    sizes = [size for axis, size in enumerate(shape) if axis != plan.slice_axis]
    for size, seen, multiple in zip(sizes, plan.network_patch, multiples(plan), strict=True):
        assert seen % multiple == 0
        assert seen >= min(size, 4 * multiple) or multiple == 1
        assert seen < size + multiple
    spanning = [math.ceil(size / multiple) * multiple for size, multiple in zip(sizes, multiples(plan), strict=True)]
    if math.prod(spanning) <= max_voxels and math.prod(sizes) <= max_voxels:
        assert plan.network_patch == tuple(spanning)
    for finer, coarser in zip(plan.kernels, plan.kernels[1:], strict=False):
        assert all(a <= b for a, b in zip(finer, coarser, strict=True))
    if dims == 3 or plan.patch.count(1) == 1:
        assert plan_from(plain(plan), where="the plan") == plan
