"""Pictures of a search, and the numbers in them."""

import numpy as np
import optuna
import pytest
from PIL import Image

from segkit.studies.search.plots import draw_history, draw_importance, importances
from segkit.studies.search.records import best_trials


def study_of(count, directions=("maximize",), seed=0):
    study = optuna.create_study(directions=list(directions))
    draw = np.random.default_rng(seed)
    space = {
        "strong": optuna.distributions.FloatDistribution(0, 1),
        "weak": optuna.distributions.FloatDistribution(0, 1),
    }
    for number in range(count):
        params = {name: float(draw.uniform()) for name in space}
        value = 1 - (params["strong"] - 0.3) ** 2 + 0.01 * params["weak"]
        states = optuna.trial.TrialState
        study.add_trial(
            optuna.trial.create_trial(
                params=params, distributions=space, values=[value, 10.0 + number][: len(directions)],
                state=states.PRUNED if number % 5 == 4 else states.COMPLETE,
                intermediate_values={1: value / 2, 2: value} if len(directions) == 1 else {},
            )
        )  # fmt: skip
    return study


def test_the_setting_that_decides_has_the_larger_share():
    shares = importances(study_of(60))
    assert list(shares) == ["strong", "weak"]
    assert shares["strong"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


def test_importance_is_that_for_good_trials_and_not_for_bad_ones():
    # Only the upper end of `a` is good, and only `b` tells which trials are bad.
    study = optuna.create_study(direction="maximize")
    space = {"a": optuna.distributions.FloatDistribution(0, 1), "b": optuna.distributions.FloatDistribution(0, 1)}
    draw = np.random.default_rng(3)
    for _ in range(200):
        a, b = draw.uniform(size=2)
        value = float((a > 0.9) - 5 * (b < 0.1) + 0.01 * draw.uniform())  # a tie would count as good
        study.add_trial(optuna.trial.create_trial(params={"a": a, "b": b}, distributions=space, value=value))
    shares = importances(study)
    assert shares["a"] > shares["b"]


def test_few_trials_tell_nothing(tmp_path):
    assert importances(study_of(3)) == {}
    assert draw_importance(study_of(3), tmp_path / "i.png") is None
    assert draw_history(study_of(0), tmp_path / "h.png") is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directions", [("maximize",), ("maximize", "minimize")])
def test_pictures_are_drawn(directions, tmp_path):
    study = study_of(12, directions)
    for draw, name in ((draw_history, "h.png"), (draw_importance, "i.png")):
        assert draw(study, tmp_path / name) == tmp_path / name
        assert np.asarray(Image.open(tmp_path / name).convert("L")).std() > 5


def test_the_best_of_two_objectives_are_those_that_none_beats():
    study = optuna.create_study(directions=["maximize", "minimize"])
    for dice, seconds in ((0.8, 100), (0.9, 200), (0.7, 150), (0.6, 50)):
        study.add_trial(optuna.trial.create_trial(values=[dice, seconds]))
    assert [trial.number for trial in best_trials(study)] == [1, 0, 3]
    assert best_trials(optuna.create_study()) == []
