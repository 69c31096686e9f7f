import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.compose import configure
from segkit.config.targets import check_signatures
from segkit.foundation.building import build
from segkit.foundation.errors import UsageError
from segkit.training.schedules import Cosine, OneCycle, Polynomial, WarmUpStableDecay


def test_polynomial_is_nnunets():
    assert Polynomial()(0) == 1
    assert Polynomial()(0.5) == pytest.approx(0.5**0.9)
    assert Polynomial()(1) == 0


def test_one_cycle_is_pytorchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=101, pct_start=0.25, div_factor=25, final_div_factor=1e12,
        anneal_strategy="linear", cycle_momentum=False,
    )  # fmt: skip
    ours = OneCycle(warm_up=0.25)
    for step in range(25):  # the linear warm-up; the cosine down is checked by hand below
        assert ours(step / 96) == pytest.approx(theirs.get_last_lr()[0], abs=0.02)
        optimizer.step()
        theirs.step()
    assert ours(0.25) == 1
    assert ours(0.625) == pytest.approx(0.5)
    assert ours(1.0) == pytest.approx(0, abs=1e-12)


def test_cosine_by_hand():
    schedule = Cosine(warm_up=0.2, end=0.1)
    assert schedule(0) == pytest.approx(0.04)
    assert schedule(0.1) == pytest.approx(0.52)
    assert schedule(0.2) == 1
    assert schedule(0.4) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert schedule(0.6) == pytest.approx(0.55)
    assert schedule(1) == pytest.approx(0.1)


def test_cosine_without_warm_up_is_pytorchs():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.01)
    for step in range(51):
        assert Cosine(warm_up=0, end=0.01)(step / 50) == pytest.approx(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()


@pytest.mark.parametrize(("shape", "late"), [("linear", 0.75), ("one_minus_sqrt", 0.5)])
def test_warm_up_stable_decay_by_hand(shape, late):
    schedule = WarmUpStableDecay(warm_up=0.1, decay=0.4, shape=shape)
    assert schedule(0) == pytest.approx(0.04)
    assert schedule(0.05) == pytest.approx(0.52)
    assert schedule(0.1) == schedule(0.35) == schedule(0.6) == 1
    assert schedule(0.7) == pytest.approx(late)
    assert schedule(1) == pytest.approx(0)


def test_warm_up_stable_decay_without_a_share():
    assert WarmUpStableDecay(warm_up=0, decay=0)(0) == WarmUpStableDecay(warm_up=0, decay=0)(1) == 1
    assert WarmUpStableDecay(warm_up=0, decay=1, shape="linear")(0.25) == pytest.approx(0.75)
    for shares in ((0.6, 0.5), (-0.1, 0.5), (0.1, -0.5)):
        with pytest.raises(UsageError, match=r"schedule\.warm_up"):
            WarmUpStableDecay(*shares)


@pytest.mark.parametrize(
    "make", [lambda: OneCycle(warm_up=1), lambda: Cosine(warm_up=-0.1), lambda: Polynomial(power=-1)]
)
def test_what_no_training_can_follow_is_refused(make):
    with pytest.raises(UsageError, match=r"schedule\.(warm_up|power): -?[\d.]+ "):
        make()


@pytest.mark.parametrize(
    "name", [path.stem for path in Path(__file__).parents[2].joinpath("conf/schedule").glob("*.yaml")]
)
def test_every_yaml_builds_and_ends_low(name):
    config = configure("train", ["data=paired", "data.root=.", "training.steps=1", f"schedule={name}"])
    check_signatures(config)
    schedule = build(config.schedule)
    assert max(schedule(step / 100) for step in range(101)) == pytest.approx(1)
    assert schedule(1) == pytest.approx(0, abs=1e-9)


@given(st.floats(0, 1), st.floats(0.01, 0.9))
def test_factors_stay_between_zero_and_one(progress, share):
    assert 0 <= OneCycle(warm_up=share)(progress) <= 1
    assert 0 <= Polynomial(power=share)(progress) <= 1
    assert 0 <= Cosine(warm_up=share, end=0.2)(progress) <= 1
    for shape in ("linear", "one_minus_sqrt"):
        assert 0 <= WarmUpStableDecay(warm_up=share, decay=1 - share, shape=shape)(progress) <= 1
