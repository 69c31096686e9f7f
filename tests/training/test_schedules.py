import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segkit.training.schedules import OneCycle, Polynomial


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


@given(st.floats(0, 1), st.floats(0.01, 0.9))
def test_factors_stay_between_zero_and_one(progress, share):
    assert 0 <= OneCycle(warm_up=share)(progress) <= 1
    assert 0 <= Polynomial(power=share)(progress) <= 1
