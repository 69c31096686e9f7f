"""The space of a search: its dimensions, and what contradicts them."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.compose import configure
from segkit.config.overrides import parsed
from segkit.config.search import Choices, Interval, space_from, word
from segkit.foundation.errors import UsageError

BASE = ["data=paired", "data.root=.", "training.steps=10", "training.fold=0"]
TWO = ["optimizer.lr=interval(0.1,1)", "optimizer.weight_decay=interval(0,1)"]


def refusal(*words):
    with pytest.raises(UsageError) as caught:
        configure("tune", [*BASE, *words])
    return str(caught.value)


def refused(value):
    with pytest.raises(UsageError) as caught:
        space_from({"optimizer.lr": value})
    return str(caught.value)


def test_intervals_and_choices():
    space = space_from(
        {
            "optimizer.lr": {"low": 1e-4, "high": 0.1, "log": True},
            "seed": {"low": 1, "high": 7, "step": 2},
            "network": ["unet", "residual_unet"],
            "network.features": {"choices": [[8, 16], [16, 32]]},
            "training.patience": [None, 3],
        }
    )
    assert space["optimizer.lr"] == Interval(1e-4, 0.1, log=True)
    assert space["seed"] == Interval(1, 7, step=2, is_whole=True)
    assert space["network"] == Choices(("unet", "residual_unet"))
    assert space["network.features"] == Choices(("[8,16]", "[16,32]"))
    assert space["training.patience"] == Choices((None, 3))


@pytest.mark.parametrize(
    ("dimension", "grid"),
    [
        (Interval(1, 7, step=2, is_whole=True), (1, 3, 5, 7)),
        (Interval(1, 4, is_whole=True), (1, 2, 3, 4)),
        (Interval(0.25, 0.75, step=0.25), (0.25, 0.5, 0.75)),
        (Interval(0.0, 1.0), None),
        (Choices(("a", "b")), ("a", "b")),
    ],
)
def test_the_values_of_a_grid(dimension, grid):
    assert dimension.grid == grid


@given(st.integers(-50, 50), st.integers(1, 40), st.integers(1, 9))
def test_every_value_of_a_grid_lies_within_and_a_step_apart(low, width, step):
    grid = Interval(low, low + width, step=step, is_whole=True).grid
    assert grid[0] == low
    assert low + width - step < grid[-1] <= low + width
    assert {b - a for a, b in itertools.pairwise(grid)} <= {step}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "3 is no dimension"),
        ({"low": 1}, "is no dimension"),
        ({"low": 1, "high": 2, "stp": 1}, "sweep.space.optimizer.lr.stp is not a key; did you mean step"),
        ({"low": 2, "high": 1}, "low 2 is not below high 1"),
        ({"low": 0, "high": 1, "log": True}, "begins above zero, not at 0"),
        ({"low": 0.1, "high": 1, "log": True, "step": 0.1}, "log exclude one another"),
        ({"low": 0, "high": 1, "step": 0}, "0 is not above zero"),
        ({"low": "a", "high": 1}, "low, high and step are numbers"),
        ({"low": 0, "high": math.inf}, "low, high and step are numbers"),
        ({"low": 0, "high": 1, "log": 1}, "1 is not true or false"),
        ([1], "a choice needs two values or more; fix a single one by typing optimizer.lr=VALUE"),
        ([1, 2, 1], "a value stands twice"),
    ],
)
def test_what_is_no_dimension(value, message):
    assert message in refused(value)


@pytest.mark.parametrize("value", [None, True, False, 3, -0.5, 1e-7, 1.5e300, "unet", "[8,16]", "'a b'"])
def test_a_word_is_read_back_as_the_value(value):
    read = parsed(word("key", value)).value()
    if not isinstance(value, str):
        assert read == value
        assert type(read) is type(value)
    assert parsed(word("key", value)).get_value_string() == word("key", value).partition("=")[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing to search over: pass sweep=NAME, or ranges"),
        (["seed=1,2", "training.fold=all"], "a search needs one fold that validates, and training.fold=all is none"),
        (["seed=1,2", "training.fold=each"], "a search needs one fold that validates, and training.fold=each is none"),
        (["sweep=learnin_rate"], "did you mean learning_rate?"),
        (["seed=1,2", "sweep.sampler=tpo"], "sweep.sampler: tpo is not one of tpe, random, grid, cmaes"),
        (["seed=1,2", "sweep.pruner=medium"], "did you mean median?"),
        (["seed=1,2", "sweep.trials=0"], "sweep.trials: 0 is not at least 1"),
        (["seed=1,2", "sweep.objectives=[dice,second]"], "second is not one of dice, seconds; did you mean seconds?"),
        (["seed=1,2", "sweep.objectives=[seconds]"], "neither [dice] nor [dice, seconds]"),
        (["seed=1,2", "sweep.objectives=[dice,seconds]"], "pass sweep.pruner=none with two objectives"),
        ([*TWO, "sweep.sampler=grid"], "optimizer.lr has no end of values"),
        (["seed=int(interval(0,2000000000))", "sweep.sampler=grid"], "2000000001 combinations, more than 1000000"),
        (["seed=range(0,2000000000)", "sweep.sampler=grid"], "2000000000 combinations"),
        (["seed=1,2", *TWO[:1], "sweep.sampler=cmaes"], "needs two intervals, and the space has 1"),
        (
            [*TWO, "sweep.sampler=cmaes", "sweep.objectives=[dice,seconds]", "sweep.pruner=none"],
            "cmaes has one objective",
        ),
        (["resume=."], "a search goes on by its own words"),
    ],
)
def test_a_search_that_does_not_hold_together(words, message):
    assert message in refusal(*words)


@pytest.mark.parametrize(
    ("typed", "count", "last"),
    [
        ("seed=int(interval(0,2000000000))", 2_000_000_001, 2_000_000_000),
        ("seed=range(0,2000000000,3)", 666_666_667, 1_999_999_998),
    ],
)
def test_many_values_are_drawn_from_and_never_listed(typed, count, last):
    dimension = space_from(configure("tune", [*BASE, typed]).sweep.space)["seed"]
    assert (dimension.count, dimension.last) == (count, last)


def test_both_objectives_without_pruning_hold():
    config = configure("tune", [*BASE, "seed=1,2", "sweep.objectives=[dice,seconds]", "sweep.pruner=none"])
    assert config.sweep.objectives == ["dice", "seconds"]
