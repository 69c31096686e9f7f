import math

import numpy as np
import pytest

from segkit.config.channels import channels_from
from segkit.preparation.budget import Budget, Step, candidates, features_of, plan_within, steps_wanted, with_length
from segkit.preparation.fingerprint import Fingerprint
from segkit.preparation.planner import make_plan
from tests.plan_options import plan_options

OPEN = {"_target_": "segkit.networks.UNet", "features": None}
RATE = 4e7


def make(shape):
    found = Fingerprint(np.tile(shape, (40, 1)), np.ones((40, 3)), np.zeros((1, 0), np.float32))

    def planned(wanted, *, network):
        return make_plan(found, wanted, channels=channels_from({"MR": "mr"}), network=network, outputs=3, transforms=[])

    return planned


def cost(step):
    """A step's seconds on an imagined device."""
    return step.batch * math.prod(step.patch) * step.network.get("features", [32])[0] ** 1.5 / RATE


def planned(seconds, shape=(200, 200, 200), network=OPEN, **changes):
    budget = Budget(seconds, cost, "imagined")
    return plan_within(budget, make(shape), plan_options(**changes), network, outputs=3)


def step_seconds(plan):
    return cost(Step({"features": plan.features}, 1, 3, plan.network_patch, plan.batch))


def test_steps_and_their_size_grow_alike():
    assert [steps_wanted(seconds) for seconds in (150, 600, 2400)] == [1500, 3000, 6000]


def test_features_double_up_to_ten_times_the_first():
    assert features_of(32) == (32, 64, 128, 256, 320, 320)
    assert features_of(16) == (16, 32, 64, 128, 160, 160)


@pytest.mark.parametrize("seconds", [60, 300, 600, 3600, 36000])
def test_the_largest_step_of_which_the_budget_holds_enough(seconds):
    plan = planned(seconds)
    every = candidates(make((200, 200, 200)), plan_options(), OPEN)
    costs = [step_seconds(each) for each in every]
    assert costs == sorted(costs)
    enough = [each for each, price in zip(every, costs, strict=True) if seconds / price >= steps_wanted(seconds)]
    wanted = enough[-1] if enough else every[0]
    assert (plan.features, plan.patch, plan.batch) == (wanted.features, wanted.patch, wanted.batch)


def test_a_longer_budget_trains_wider_networks_on_larger_patches():
    plans = [planned(seconds) for seconds in (60, 600, 7200)]
    sizes = [(plan.features[0], math.prod(plan.patch)) for plan in plans]
    assert sizes == sorted(set(sizes))


def test_the_reason_tells_what_was_weighed():
    assert planned(600).reasons["budget"] == (
        "10min hold 4795 steps of 0.125 s, imagined, of 3000 that are wanted; with patches of 32 x 32 x 32, batch 2 "
        "and 32 first features they would hold 2023"
    )


def test_where_nothing_is_small_enough():
    plan = planned(1)
    assert plan.patch == (24, 24, 24)
    assert plan.reasons["budget"].endswith("; there is no smaller size")


def test_what_is_configured_stays():
    assert planned(7200, patch=[32, 48, 32]).patch == (32, 48, 32)
    assert planned(60, batch=5).batch == 5
    assert math.prod(planned(36000, max_voxels=20000).patch) <= 20000
    fixed = planned(7200, network={**OPEN, "features": [8, 16, 32]})
    assert fixed.features is None
    assert math.prod(fixed.patch) > 80000


CONFIGURED = {"patch": [32, 32, 32], "batch": 2, "network": {**OPEN, "features": [8, 16, 32]}}


@pytest.mark.parametrize(("members", "most"), [(1, 5), (3, 5), (None, 1)])
def test_nothing_is_timed_where_all_is_configured(members, most):
    def never(*_):
        raise AssertionError

    wanted = plan_options(patch=[32, 32, 32], batch=2, members=members)
    network = CONFIGURED["network"]
    plan = plan_within(Budget(600, never, "imagined", most), make((64, 64, 64)), wanted, network, outputs=3)
    assert "budget" not in plan.reasons
    assert plan.batch == 2


@pytest.mark.parametrize(("steps", "is_long"), [(4999, False), (5000, True)])
def test_a_plan_says_whether_a_training_is_long(steps, is_long):
    def cost(step):
        return 600 / (steps + 0.5)

    wanted, network = plan_options(patch=[32, 32, 32], batch=2), CONFIGURED["network"]
    left = Budget(600, cost, "imagined", 1, tells_length=True)
    plan = plan_within(left, make((64, 64, 64)), wanted, network, outputs=3)
    assert plan.long == is_long
    assert plan.reasons["long"] == f"{steps} steps, of 5000 from which on flips and augmentation.long help"
    assert with_length(plan, 4).long is False


@pytest.mark.parametrize(
    ("seconds", "members"),
    # A step takes 2 * 32^3 * 8^1.5 / RATE = 0.0371 s. Each member should have 1400 steps of ten minutes, 2800 of forty,
    # and 1000 however short the budget is.
    [(30, 1), (74, 1), (75, 2), (600, 5), (10 * 3600, 5)],
)
def test_time_that_no_size_can_use_goes_into_more_networks(seconds, members):
    plan = planned(seconds, **CONFIGURED)
    assert (plan.members, plan.batch) == (members, 2 * members)
    assert ("members" in plan.reasons) == (members > 1)


def test_members_that_are_configured_share_the_time():
    alone, together = planned(7200), planned(7200, members=4)
    assert step_seconds(together) < step_seconds(alone)
    assert 7200 / (4 * step_seconds(together)) >= steps_wanted(7200)


def test_a_network_that_can_grow_grows_first():
    assert planned(600).members == 1
    assert planned(1e9).members == 5


def test_pictures_and_gpus_have_sizes_of_their_own():
    flat = planned(600, shape=(512, 512, 1), dims=2)
    assert flat.dims == 2
    assert flat.features[0] in (16, 32)
    long = planned(1e9, memory="24GB")
    without = make((200, 200, 200))(plan_options(memory="24GB"), network=OPEN)
    assert (long.patch, long.batch, long.features) == (without.patch, without.batch, without.features)
    assert long.features == (32, 64, 128, 256, 320, 320)
    short = planned(60, memory="24GB")
    assert math.prod(short.patch) * short.batch < math.prod(long.patch) * long.batch


def test_a_network_that_takes_no_small_patch_gets_a_larger_one():
    swin = {"_target_": "segkit.networks.SwinUNETR"}
    plan = planned(60, network=swin)
    assert all(size % 32 == 0 for size in plan.patch)
    assert math.prod(plan.patch) > 32**3


def test_a_coarse_grid_stays_whatever_the_patch():
    plans = [planned(seconds, shape=(400, 400, 400), resolution="low") for seconds in (60, 36000)]
    assert plans[0].patch != plans[1].patch
    assert plans[0].spacing == plans[1].spacing != (1, 1, 1)
    assert plans[0].reasons["spacing"].startswith("median over 40 cases")


def test_no_time_at_all_is_the_smallest_size():
    assert planned(0).patch == (24, 24, 24)


def test_the_batch_is_not_called_configured():
    assert planned(600).reasons["batch"] == "with the patch, for the budget"
    assert planned(600, batch=3).reasons["batch"] == "as configured"
