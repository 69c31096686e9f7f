"""Samplers and pruners as configured."""

import itertools

import optuna
import pytest

from segkit.config.options import TrainingOptions
from segkit.config.search import Choices, Interval
from segkit.studies.search.sampling import (
    combinations,
    distributions,
    expected_validations,
    make_pruner,
    make_sampler,
    shown,
)
from segkit.training.fit import VALIDATIONS
from tests.studies.search.options import sweep_options

SPACE = {
    "lr": Interval(1e-4, 1.0, log=True), "steps": Interval(1, 9, step=3, is_whole=True),
    "share": Interval(0.0, 1.0, step=0.3), "network": Choices(("unet", "dynunet")),
}  # fmt: skip


def training(**changes):
    fields = dict.fromkeys(TrainingOptions.__dataclass_fields__)
    return TrainingOptions(**{**fields, **changes})


def drawn(sampler, count, first_seed=0):
    study = optuna.create_study(direction="maximize")
    found = []
    for number in range(count):
        study.sampler = make_sampler(sweep_options(sampler=sampler, startup=3), first_seed + number)
        trial = study.ask(distributions(SPACE))
        study.tell(trial, -abs(trial.params["lr"] - 0.01))
        found.append(trial.params)
    return found


def test_dimensions_are_optunas_with_ends_that_are_steps():
    found = distributions(SPACE)
    assert found["lr"] == optuna.distributions.FloatDistribution(1e-4, 1.0, log=True)
    assert found["steps"] == optuna.distributions.IntDistribution(1, 7, step=3)
    assert found["share"].step == 0.3
    assert found["share"].high == pytest.approx(0.9)
    assert found["network"] == optuna.distributions.CategoricalDistribution(("unet", "dynunet"))


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes"])
def test_draws_lie_in_the_space_and_differ_from_trial_to_trial(sampler):
    found = drawn(sampler, 12)
    assert found == drawn(sampler, 12)  # counted, not streamed: whichever worker draws
    assert len({tuple(params.items()) for params in found}) == 12
    for params in found:
        assert 1e-4 <= params["lr"] <= 1
        assert params["steps"] in (1, 4, 7)
        assert params["network"] in ("unet", "dynunet")


def test_tpe_learns_where_random_does_not():
    def mean(sampler):
        return sum(abs(params["lr"] - 0.01) for params in drawn(sampler, 40)[20:]) / 20

    assert mean("tpe") < mean("random") / 3


def test_a_grid_holds_every_combination_once_in_an_order_of_its_seed():
    space = {"seed": Choices((1, 2, 3)), "network": Choices(("a", "b")), "n": Interval(0, 1, is_whole=True)}
    found = [tuple(each.values()) for each in combinations(space, 1)]
    assert sorted(found) == sorted(itertools.product((1, 2, 3), "ab", (0, 1)))
    assert found == [tuple(each.values()) for each in combinations(space, 1)]
    assert found != [tuple(each.values()) for each in combinations(space, 2)]


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"steps": 1000}, VALIDATIONS),
        ({"steps": 4}, 4),
        ({"budget": "10min"}, VALIDATIONS),
        ({"steps": 1000, "validate_every": "300"}, 4),
        ({"budget": "10min", "validate_every": "2min"}, 5),
        ({"budget": "10min", "validate_every": "300"}, VALIDATIONS),
    ],
)
def test_how_often_a_training_validates(changes, count):
    assert expected_validations(training(**changes)) == count


def test_pruners_are_optunas():
    steps = training(steps=90, validate_every="10")
    assert isinstance(make_pruner(sweep_options(pruner="hyperband"), steps), optuna.pruners.HyperbandPruner)
    assert isinstance(make_pruner(sweep_options(pruner="median"), steps), optuna.pruners.MedianPruner)
    assert isinstance(make_pruner(sweep_options(pruner="none"), steps), optuna.pruners.NopPruner)


@pytest.mark.parametrize("pruner", ["median", "hyperband"])
def test_a_trial_behind_the_others_is_ended_but_not_in_the_warm_up(pruner):
    options = sweep_options(pruner=pruner, warmup=2, startup=2, reduction=2)
    study = optuna.create_study(
        direction="maximize", study_name="x", pruner=make_pruner(options, training(steps=90, validate_every="10"))
    )
    ended_at = []
    for value in (0.9, 0.8, 0.85, 0.1, 0.1, 0.1):
        trial = study.ask({"lr": optuna.distributions.FloatDistribution(0, 1)})
        for validation in range(1, 10):
            trial.report(value, validation)
            if trial.should_prune():
                ended_at.append(validation)
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                break
        else:
            study.tell(trial, value)
    assert ended_at
    assert min(ended_at) == 3
    assert study.best_value == 0.9


def test_settings_are_shown_in_a_few_words():
    settings = {"optimizer.lr": 0.00312345, "network": "unet", "n": None}
    assert shown(settings) == "optimizer.lr=0.00312,network=unet,n=None"
