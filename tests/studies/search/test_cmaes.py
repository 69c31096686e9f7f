"""CMA-ES worked out anew from the trials, beside Optuna's own, which keeps its state as a pickle."""

import pickle

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from segkit.studies.search.cmaes import ReplayedCmaEs

SPACE = {
    "x": FloatDistribution(-5, 5), "y": FloatDistribution(1e-3, 10, log=True), "n": IntDistribution(1, 30),
    "kind": CategoricalDistribution(("a", "b")),
}  # fmt: skip


class OneNumber:
    """Draws one number for ever: Optuna's own takes one more where it begins anew than where it unpickles."""

    def __init__(self):
        self.rng = self

    def randint(self, low, high):
        return 7


def search(sampler, count, study=None, numbers=None):
    study = study or optuna.create_study(direction="maximize")
    for number in range(count):
        study.sampler = sampler(n_startup_trials=4, warn_independent_sampling=False, seed=number)
        study.sampler._cma_rng = numbers or study.sampler._cma_rng
        trial = study.ask(SPACE)
        study.tell(trial, -((trial.params["x"] - 2) ** 2) - abs(trial.params["y"] - 1) - trial.params["n"])
    return study


def test_it_draws_what_optunas_own_draws():
    own = search(optuna.samplers.CmaEsSampler, 60, numbers=OneNumber())
    replayed = search(ReplayedCmaEs, 60, numbers=OneNumber())
    for one, other in zip(own.trials, replayed.trials, strict=True):
        assert one.params["kind"] == other.params["kind"]
        assert [one.params[name] for name in "xyn"] == pytest.approx([other.params[name] for name in "xyn"])
    generations = [trial.system_attrs.get("cma:generation", -1) for trial in replayed.trials]
    assert max(generations) >= 5
    assert not any("optimizer" in key for trial in replayed.trials for key in trial.system_attrs)


def test_it_comes_nearer():
    values = [trial.value for trial in search(ReplayedCmaEs, 120).trials]
    assert sum(values[-20:]) / 20 > sum(values[:20]) / 20 + 5


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the pickle of a stranger was run",))


def test_a_pickle_among_the_trials_is_not_run():
    study = search(ReplayedCmaEs, 30)
    hostile = optuna.create_study(direction="maximize")
    for trial in study.trials:
        attributes = {**trial.system_attrs, "cma:optimizer:0": pickle.dumps(Bomb()).hex()}
        hostile.add_trial(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=trial.value, system_attrs=attributes
            )
        )
    search(ReplayedCmaEs, 3, hostile)
    assert len(hostile.trials) == 33
