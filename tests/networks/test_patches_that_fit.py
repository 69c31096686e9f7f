"""A network that halves every axis on its own takes multiples of a divisor: planned, or refused with it named."""

import numpy as np
import pytest

from segkit.config.channels import channels_from
from segkit.config.plan import Normalisation, Plan, plan_from
from segkit.foundation.errors import UsageError
from segkit.foundation.plain import plain
from segkit.networks.building import check_patch, halvings, network_arguments
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.patch_size import Space, patch_of_voxels, patch_that_fits
from segkit.preparation.planner import make_plan
from tests.plan_options import plan_options

SWIN = {"_target_": "segkit.networks.SwinUNETR", "feature_size": 12, "depths": [1] * 4, "num_heads": [1] * 4}
UNETR = {"_target_": "segkit.networks.UNETR", "hidden_size": 24, "mlp_dim": 24, "num_heads": 2}
SEGRESNET = {"_target_": "segkit.networks.SegResNet", "init_filters": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]}
MEDNEXT = {"_target_": "segkit.networks.MedNeXt", "init_filters": 4}


def planned(network, shape, **options):
    return make_plan(
        Fingerprint(np.array([shape]), np.ones((1, 3)), np.zeros((1, 0), np.float32), 1.0),
        plan_options(**options),
        channels=channels_from({"MR": "mr"}),
        network=network,
        outputs=3,
        transforms=[],
    )


def plan_of(patch, dims=3):
    levels = ((1,) * dims,)
    return Plan(dims, "RAS", (1.0,) * 3, patch, 2, levels, levels, {"MR": Normalisation("none")})


def test_networks_state_how_often_they_halve():
    assert [halvings(each) for each in (SWIN, UNETR, SEGRESNET, MEDNEXT)] == [5, 4, 2, 4]
    assert halvings({"_target_": "segkit.networks.SegResNet"}) == 3
    for ours in ("segkit.networks.UNet", "segkit.networks.DynUNet", "monai.networks.nets.UNet"):
        assert halvings({"_target_": ours}) is None


@pytest.mark.parametrize("network", [SWIN, UNETR, SEGRESNET, MEDNEXT], ids=lambda each: each["_target_"])
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((35, 50, 36), {}),
        ((22, 20, 16), {}),
        ((22, 20, 16), {"memory": "4GB"}),
        ((200, 300, 20), {}),
        ((200, 300, 100), {"patch": [70, 50, 90]}),
        ((90, 300, 100), {"memory": "4GB"}),
        ((90, 300, 100), {"dims": 2}),
    ],
    ids=str,
)
def test_planned_patches_fit_and_the_plan_is_one_that_is_read_back(network, shape, options):
    plan = planned(network, shape, **options)
    divisor = 2 ** halvings(network)
    assert all(size % divisor == 0 for size in plan.network_patch)
    check_patch(network, plan)
    assert plan_from(plain(plan), where="here").patch == plan.patch
    assert len(plan.strides) == halvings(network) + 1
    assert f"every axis {halvings(network)} times" in plan.reasons["strides"]


def test_an_unfit_patch_is_refused_with_the_divisor():
    with pytest.raises(UsageError, match=r"SwinUNETR takes patches in multiples of 32 .* 40 x 64 x 20 .*\[32,64,32\]"):
        network_arguments(SWIN, plan_of((40, 64, 20)), out_channels=2)
    with pytest.raises(UsageError, match=r"multiples of 16 .*plan\.patch=\[48,32,1\]"):
        network_arguments(UNETR, plan_of((50, 32, 1), dims=2), out_channels=2)
    with pytest.raises(UsageError, match=r"multiples of 32 .* a single one.*plan\.patch=\[64,32,32\]"):
        check_patch(SWIN, plan_of((32, 32, 32)))
    check_patch(SWIN, plan_of((64, 32, 32)))
    check_patch({"_target_": "segkit.networks.UNet"}, plan_of((7, 5, 3)))


def test_a_configured_patch_that_leaves_one_voxel_is_refused_while_planning():
    with pytest.raises(UsageError, match="multiples of 32"):
        planned(SWIN, (100, 100, 100), patch=[32, 32, 32])


def test_large_multiples_leave_little_unused():
    space = Space(np.array([100.0, 100, 100]), np.ones(3), 6, halvings=5)
    # A cube of 48^3 rounds down to 32^3; one axis of 64 still keeps to 48^3 voxels.
    assert patch_of_voxels(space, 48**3).sizes in {(64, 32, 32), (32, 64, 32), (32, 32, 64)}
    thin = patch_of_voxels(Space(np.array([20.0, 200, 200]), np.ones(3), 6, halvings=5), 48**3)
    assert thin.sizes == (32, 32, 96)  # the short axis is spanned, though it rounds up by most
    assert all(type(size) is int for size in thin.sizes)
    assert patch_of_voxels(space, 100).sizes == (32, 32, 32)  # as small as it gets


def test_a_patch_shrinks_to_two_multiples_along_one_axis_and_no_further():
    space = Space(np.array([100.0, 100, 100]), np.ones(3), 6, halvings=5)
    assert sorted(patch_that_fits(space, lambda patch: patch.voxels <= 2 * 32**3).sizes) == [32, 32, 64]
    assert patch_that_fits(space, lambda patch: patch.voxels <= 32**3) is None
    assert patch_that_fits(space, lambda patch: False) is None


@pytest.mark.parametrize(("network", "least"), [("DynUNet", 3), ("AttentionUnet", 2)])
def test_a_patch_of_too_few_levels_is_refused(network, least):
    with pytest.raises(UsageError, match=f"MONAI's {network} needs {least} levels or more"):
        planned({"_target_": f"segkit.networks.{network}", "features": [4, 8, 8]}, (100, 100, 100), patch=[5, 5, 5])


def test_what_a_missing_einops_asks_for(monkeypatch):
    from segkit.foundation.errors import MissingExtraError
    from segkit.networks import SwinUNETR

    monkeypatch.setattr("segkit.networks.monai_transformers.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"segkit\[transformers\]"):
        SwinUNETR(in_channels=1, out_channels=2, dims=2)
