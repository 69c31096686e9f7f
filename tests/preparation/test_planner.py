import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from segkit.config.channels import channels_from
from segkit.config.plan import Normalisation, plan_from
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.plain import plain
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.planner import make_plan
from tests.plan_options import plan_options

NO_VALUES = np.zeros((1, 0), np.float32)
FEATURES = [32, 64, 128, 256, 320, 320]
SMALL = [4, 8, 16, 32, 32, 32, 32]


def planned(
    shapes, spacings, *, features=SMALL, channels=None, foreground=NO_VALUES, kept=1.0, outputs=3, network=None,
    cases=1, **options,
):  # fmt: skip
    shapes, spacings = np.atleast_2d(shapes), np.atleast_2d(spacings).astype(float)
    return make_plan(
        Fingerprint(np.tile(shapes, (cases, 1)), np.tile(spacings, (cases, 1)), foreground, kept),
        plan_options(**options),
        channels=channels_from(channels or {"MR": "mr"}),
        network=network or {"_target_": "segkit.networks.UNet", "features": features},
        outputs=outputs,
        transforms=[],
    )


class Deciding(nn.Module):
    """A network that looks at values to decide what it does."""

    def forward(self, images):
        return images if images.sum() > 0 else -images


def multiples(plan):
    return tuple(math.prod(strides) for strides in zip(*plan.strides, strict=True))


# nnU-Net's published plans for the Medical Segmentation Decathlon, their axes reversed: median size and spacing, cases,
# then patch and batch. `scripts/benchmarks/plans.py` has all ten.
PUBLISHED = {
    "heart": ([232, 320, 115], [1.25, 1.25, 1.37], 20, (160, 192, 80), 2),
    "liver": ([512, 512, 482], [0.7676, 0.7676, 1.0], 131, (128, 128, 128), 2),
    "hippocampus": ([35, 50, 36], [1.0, 1.0, 1.0], 260, (40, 56, 40), 9),
    "pancreas": ([512, 512, 96], [0.8, 0.8, 2.5], 281, (224, 224, 40), 2),
    "spleen": ([512, 512, 187], [0.79, 0.79, 1.6], 41, (160, 192, 64), 2),
}


@pytest.mark.parametrize(("size", "spacing", "cases", "patch", "batch"), PUBLISHED.values(), ids=PUBLISHED)
def test_8_gb_as_nnunet_plans_them(size, spacing, cases, patch, batch):
    plan = planned(size, spacing, cases=cases, memory="8GB", features=FEATURES)
    assert (plan.patch, plan.batch) == (patch, batch)
    assert plan.spacing == tuple(spacing)


def test_prostate_as_nnunet_plans_it_with_as_many_levels():
    how = {"cases": 32, "memory": "8GB", "channels": {"T2": "mr", "ADC": "mr"}, "foreground": np.zeros((2, 0))}
    plan = planned([319, 320, 20], [0.625, 0.625, 3.6], features=[*FEATURES, 320], **how)
    assert (plan.patch, plan.batch, len(plan.strides)) == ((256, 320, 20), 2, 7)
    six = planned([319, 320, 20], [0.625, 0.625, 3.6], features=FEATURES, **how)
    assert (six.patch, len(six.strides)) == ((288, 320, 20), 6)


def test_a_larger_gpu_takes_larger_patches_then_larger_batches():
    plans = [
        planned([512, 512, 482], [0.77, 0.77, 1], cases=100, memory=memory, features=FEATURES)
        for memory in ("6GB", "8GB", "16GB", "40GB", "160GB")
    ]
    voxels = [math.prod(plan.patch) for plan in plans]
    assert voxels == sorted(voxels)
    assert len(set(voxels)) >= 4
    assert [plan.batch for plan in plans[:4]] == [2] * 4
    assert plans[4].batch > 2
    assert "as many as 160GB holds" in plans[4].reasons["batch"]


def test_a_batch_holds_at_most_a_twentieth_of_the_data_set():
    # 5% of 200 scans of 40^3 voxels is 10 of them.
    plan = planned([40, 40, 40], [1, 1, 1], cases=200, memory="40GB")
    assert (plan.patch, plan.batch) == ((40, 40, 40), 10)
    assert plan.reasons["batch"] == "5% of the data set's voxels a step"
    assert planned([40, 40, 40], [1, 1, 1], cases=4, memory="40GB").batch == 2


def test_many_classes_leave_less_room():
    few, many = (planned([300] * 3, [1] * 3, memory="8GB", features=FEATURES, outputs=k) for k in (2, 105))
    assert math.prod(many.patch) < math.prod(few.patch)


def test_what_is_typed_stays_on_a_gpu_too():
    plan = planned([300] * 3, [1] * 3, memory="8GB", patch=[64, 64, 64], batch=3, spacing=[1, 1, 1.5], cases=50)
    assert (plan.patch, plan.batch, plan.spacing) == ((64, 64, 64), 3, (1, 1, 1.5))
    assert {plan.reasons[key] for key in ("batch", "spacing")} == {"as configured"}
    assert math.prod(planned([300] * 3, [1] * 3, memory="8GB", max_voxels=500_000, cases=50).patch) <= 500_000
    pair, eight = (planned([300] * 3, [1] * 3, memory="8GB", features=FEATURES, batch=batch) for batch in (2, 8))
    assert math.prod(eight.patch) <= math.prod(pair.patch) / 2


def test_a_typed_patch_that_does_not_fit_twice_is_taken_once():
    plan = planned([300] * 3, [1] * 3, memory="8GB", features=FEATURES, patch=[160, 160, 160])
    assert (plan.patch, plan.batch) == ((160, 160, 160), 1)
    assert "more than there is" not in plan.reasons["memory"]
    plan = planned([300] * 3, [1] * 3, memory="8GB", features=FEATURES, patch=[256, 256, 256])
    assert plan.batch == 1
    assert "more than there is" in plan.reasons["memory"]


def test_too_little_memory_is_said():
    with pytest.raises(UsageError, match=r"plan\.memory=500MB is too little"):
        planned([300] * 3, [1] * 3, memory="500MB")
    with pytest.raises(UsageError, match=r"plan\.memory"):
        planned([300] * 3, [1] * 3, memory="lots")


def test_on_a_cpu_patches_stay_small():
    plan = planned([300, 300, 300], [1, 1, 1])
    assert (plan.patch, plan.batch) == ((48, 48, 48), 2)
    assert "many small steps" in plan.reasons["batch"]
    pictures = planned([512, 512, 1], [1, 1, 1], dims=2)
    assert (pictures.patch, pictures.batch) == ((256, 256, 1), 8)


def test_the_shipped_cpu_experiments_plan_as_ever():
    plan = planned([35, 50, 36], [1, 1, 1], features=[16, 32, 64, 128], patch=[32, 48, 32])
    assert (plan.patch, plan.batch, len(plan.strides)) == ((32, 48, 32), 2, 4)
    assert plan.kernels == ((3, 3, 3),) * 4
    plan = planned([90, 70, 60], [3, 3, 4], features=[16, 32, 64, 128], patch=[40, 40, 32], spacing=[4, 4, 4.5])
    assert (plan.patch, plan.batch, plan.spacing) == ((40, 40, 32), 2, (4, 4, 4.5))


def test_thick_slices_by_hand():
    # A cube of 110592 voxels has edges of (110592 x 0.5 x 0.5 x 5)^(1/3) = 51.7 mm: 103.4 x 103.4 x 10.3 voxels.
    plan = planned([512, 512, 30], [0.5, 0.5, 5.0], features=FEATURES[:5])
    assert plan.strides == ((1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2))
    assert plan.kernels == ((3, 3, 1), (3, 3, 1), (3, 3, 1), (3, 3, 3), (3, 3, 3))
    assert (plan.patch, plan.spacing) == ((96, 96, 10), (0.5, 0.5, 5.0))
    assert "across the thick slices, axis 2" in plan.reasons["spacing"]


def test_pictures_are_planned_in_their_plane():
    plan = planned([512, 512, 1], [1, 1, 1], dims=2, features=FEATURES, channels={"EM": "mr"})
    assert plan.spacing == (1, 1, None)
    assert plan.strides == ((1, 1), *[(2, 2)] * 5)
    assert plan.kernels == ((3, 3),) * 6
    assert (plan.slice_axis, plan.network_patch) == (2, (256, 256))


def test_slices_on_a_gpu_as_nnunet_plans_them():
    plan = planned([512, 512, 482], [0.77, 0.77, 1], dims=2, cases=131, memory="8GB", features=[*FEATURES, 320, 320])
    assert plan.patch == (512, 512, 1)
    assert 8 <= plan.batch <= 24  # nnU-Net: 12


def test_pictures_in_3d_are_not_halved_across():
    plan = planned([64, 64, 1], [1, 1, 1])
    assert plan.patch == (64, 64, 1)
    assert all(strides[2] == 1 for strides in plan.strides)
    assert all(kernel == (3, 3, 3) for kernel in plan.kernels)


def test_configured_spacing_scales_sizes():
    plan = planned([60, 60, 20], [1, 1, 3], spacing=[2, 2, 3])
    assert plan.spacing == (2, 2, 3)
    assert plan.patch == (32, 32, 20)  # of 30 x 30 x 20 voxels
    assert plan.reasons["spacing"] == "as configured"


def test_levels_stop_at_what_the_network_has():
    assert planned([256, 256, 256], [1, 1, 1], features=[8, 16]).strides == ((1, 1, 1), (2, 2, 2))


def test_another_networks_memory_is_its_own():
    small, large = (
        planned([300] * 3, [1] * 3, memory="8GB", cases=50, network={"_target_": "monai.networks.nets.UNet", **how})
        for how in ({"channels": [4, 8], "strides": [2]}, {"channels": [64, 128], "strides": [1]})
    )
    assert math.prod(small.patch) > math.prod(large.patch)
    assert len(small.strides) == 6


def test_a_network_that_cannot_be_estimated_counts_as_segkits():
    plan = planned([64] * 3, [1] * 3, memory="8GB", network={"_target_": f"{__name__}.Deciding"})
    assert "as for segkit's own U-Net" in plan.reasons["memory"]


def test_a_network_that_cannot_be_built_is_named():
    with pytest.raises(UsageError, match=r"network: segkit\.networks\.UNet cannot be built"):
        planned([64] * 3, [1] * 3, network={"_target_": "segkit.networks.UNet", "features": SMALL, "colour": 1})


def test_full_says_when_low_is_worth_it():
    large, small = (planned([size] * 3, [1] * 3, memory="8GB", features=FEATURES, cases=9) for size in (400, 150))
    assert "plan=low_3d" in large.reasons["resolution"]
    assert "low" not in small.reasons["resolution"]


@pytest.mark.parametrize("memory", ["8GB", "cpu"])
def test_low_sees_a_quarter_of_a_scan(memory):
    size, spacing = np.array([512, 512, 482]), np.array([0.77, 0.77, 1.0])
    full, low = (planned(size, spacing, memory=memory, features=FEATURES, resolution=how) for how in ("full", "low"))
    assert math.prod(full.patch) < 0.25 * size.prod()
    smaller = np.array(low.spacing) / 1.03
    assert math.prod(low.patch) >= 0.25 * (size * spacing / low.spacing).prod()
    assert math.prod(low.patch) < 0.30 * (size * spacing / smaller).prod()
    assert low.spacing[0] / low.spacing[2] == pytest.approx(0.77)
    assert "coarsened" in low.reasons["spacing"]


def test_low_without_need_is_full():
    low, full = (planned([60] * 3, [1] * 3, resolution=how, max_voxels=60**3) for how in ("low", "full"))
    assert (low.patch, low.spacing, low.strides) == (full.patch, full.spacing, full.strides)
    assert "equals full" in low.reasons["resolution"]


def test_low_keeps_a_configured_spacing():
    assert planned([400] * 3, [1] * 3, resolution="low", spacing=[3, 3, 3]).spacing == (3, 3, 3)


def test_each_channel_is_normalised_from_its_own_foreground():
    foreground = np.stack([np.full(11, 7.0), *[np.zeros(11)] * 3, np.linspace(0, 100, 11)]).astype(np.float32)
    plan = planned([40, 40, 40], [1, 1, 1], channels={"MR": "mr", "photo": "rgb", "CT": "ct"}, foreground=foreground)
    assert plan.normalisation["MR"] == Normalisation("zscore")
    assert plan.normalisation["photo"] == Normalisation("unit", width=3)
    assert plan.normalisation["CT"].mean == 50
    assert plan.normalisation["CT"].high == pytest.approx(99.5)
    assert len(plan.channels) == 5
    assert plan.reasons["normalisation.CT"].startswith("clip_zscore: HU mean the same")


def test_schemes_are_replaced_by_channel():
    two = {"channels": {"CT": "ct", "MR": "mr"}, "foreground": np.arange(20, dtype=np.float32).reshape(2, 10)}
    plan = planned([40] * 3, [1] * 3, normalisation={"MR": "clip_zscore"}, kept=0.5, **two)
    assert (plan.normalisation["MR"].scheme, plan.normalisation["MR"].mean) == ("clip_zscore", 14.5)
    assert plan.normalisation["CT"].mean == 4.5
    assert plan.reasons["normalisation.MR"] == "clip_zscore: as configured"
    assert planned([40] * 3, [1] * 3, kept=0.5, **two).normalisation["MR"].scheme == "zscore_nonzero"
    with pytest.raises(UsageError, match="no channel of the data set"):
        planned([40] * 3, [1] * 3, normalisation={"PET": "zscore"}, **two)
    with pytest.raises(DataError, match="labelled voxels"):
        planned([40] * 3, [1] * 3, normalisation={"MR": "clip_zscore"})


def test_decisions_pass_through():
    channels = {"T1": "mr", "T2": {"family": "mr", "onto": "T1"}}
    how = {"channels": channels, "foreground": np.zeros((2, 0))}
    plan = planned([40] * 3, [1] * 3, orientation="LPS", batch=5, order=1, **how)
    assert (plan.orientation, plan.batch, plan.order, plan.onto) == ("LPS", 5, 1, {"T2": "T1"})
    keys = {"orientation", "spacing", "resolution", "patch", "batch", "strides", "kernels", "memory", "order"}
    assert keys | {"normalisation.T1", "normalisation.T2"} == set(plan.reasons)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(*[st.integers(2, 400)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8.0)] * 3),
    memory=st.sampled_from(["cpu", "2GB", "8GB", "24GB"]),
    levels=st.integers(1, 7),
    dims=st.sampled_from([2, 3]),
    resolution=st.sampled_from(["full", "low"]),
)
def test_every_plan_holds_together(shape, spacing, memory, levels, dims, resolution):
    plan = planned(shape, spacing, memory=memory, features=SMALL[:levels], dims=dims, resolution=resolution, cases=30)
    assert 1 <= len(plan.strides) <= levels
    assert plan.strides[0] == (1,) * dims
    sizes = [size * own / (own if s is None else s) for size, own, s in zip(shape, spacing, plan.spacing, strict=True)]
    seen = [size for axis, size in enumerate(sizes) if axis != plan.slice_axis]
    for size, edge, multiple in zip(seen, plan.network_patch, multiples(plan), strict=True):
        assert edge % multiple == 0
        assert edge < size + multiple + 1
    assert "more than there is" not in plan.reasons["memory"]
    if memory == "cpu":
        assert math.prod(plan.patch) <= {2: 256**2, 3: 48**3}[dims]
    else:
        assert plan.batch == 2 or plan.batch * math.prod(plan.network_patch) <= 0.06 * 30 * math.prod(sizes)
    for finer, coarser in zip(plan.kernels, plan.kernels[1:], strict=False):
        assert all(a <= b for a, b in zip(finer, coarser, strict=True))
    if dims == 3 or plan.patch.count(1) == 1:
        assert plan_from(plain(plan), where="the plan") == plan
