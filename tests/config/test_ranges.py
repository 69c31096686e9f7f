"""Ranges in Hydra's grammar become dimensions of the space."""

import pytest

from segkit.config.compose import compose, composed_yaml, configure
from segkit.config.search import Choices, Interval, space_from
from segkit.foundation.errors import UsageError

BASE = ["data=paired", "data.root=.", "training.steps=10", "training.fold=0"]


def space(*words):
    return space_from(configure("tune", [*BASE, *words]).sweep.space)


@pytest.mark.parametrize(
    ("typed", "dimension"),
    [
        ("optimizer.lr=interval(1e-4,1e-2)", Interval(1e-4, 1e-2)),
        ("optimizer.lr=tag(log,interval(1e-4,1e-2))", Interval(1e-4, 1e-2, log=True)),
        ("seed=int(interval(1,9))", Interval(1, 9, is_whole=True)),
        ("seed=range(1,8,3)", Interval(1, 7, step=3, is_whole=True)),
        ("training.foreground=range(0.25,1,0.25)", Interval(0.25, 0.75, step=0.25)),
        ("network=unet,residual_unet", Choices(("unet", "residual_unet"))),
        ("network=choice(unet,dynunet)", Choices(("unet", "dynunet"))),
        ("network=glob(residual*)", Choices(("residual_encoder_unet", "residual_unet"))),
        ("network.features=[8,16],[16,32]", Choices(("[8,16]", "[16,32]"))),
        ("+optimizer.betas=[0.9,0.99],[0.8,0.9]", Choices(("[0.9,0.99]", "[0.8,0.9]"))),
        ("training.accumulate=1,2", Choices((1, 2))),
        ("name='a b','c'", Choices(("a\\ b", "c"))),
    ],
)
def test_a_range_is_a_dimension(typed, dimension):
    assert space(typed) == {typed.partition("=")[0]: dimension}


def test_typed_ranges_join_those_of_the_yaml_and_win():
    found = space("sweep=learning_rate", "optimizer.lr=interval(1,2)", "seed=1,2")
    assert found["optimizer.lr"] == Interval(1.0, 2.0)
    assert set(found) == {"optimizer.lr", "optimizer.weight_decay", "seed"}


def test_the_base_of_a_search_is_a_training_and_prints_like_one():
    config = compose("tune", [*BASE, "network=residual_unet", "seed=1,2", "experiment=demo"])
    assert config.network.block == "residual"
    assert config.plan.patch == [40, 40, 32]
    assert "choices:" in composed_yaml("tune", [*BASE, "seed=1,2"])


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("data=paired,table", "data: Dice on other cases would not compare"),
        ("data.split.seed=1,2", "data.split.seed: Dice on other cases would not compare"),
        ("sweep.trials=1,2", "sweep.trials: a search cannot vary itself"),
        ("optimizer.lr=tag(lin,interval(1,2))", "lin is no tag of an interval; the only one is log"),
        ("network=glob(x*)", "a choice needs two values or more"),
        ("training.steps.a=1,2", "training.steps.a is not a key"),
    ],
)
def test_what_cannot_be_searched_over(typed, message):
    with pytest.raises(UsageError) as caught:
        space(typed)
    assert message in str(caught.value)


def test_trainings_take_no_range_still():
    with pytest.raises(UsageError, match="add -m to train once for each"):
        configure("train", [*BASE, "seed=1,2"])
