"""Which trials are abandoned, and how they pass to the next worker."""

import os
import subprocess
import sys
import time

import optuna
import pytest
from optuna.trial import TrialState

from segkit.studies.search import claims

SPACE = {"lr": optuna.distributions.FloatDistribution(0, 1)}


@pytest.fixture
def study():
    return optuna.create_study(direction="maximize")


def stored(study, trial):
    return study.get_trials(deepcopy=False)[trial.number]


def dead_worker():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    import psutil

    identity = {**claims.me(), "pid": process.pid, "started": psutil.Process(process.pid).create_time()}
    process.kill()
    process.wait()
    return identity


def test_a_worker_of_this_machine_is_dead_as_soon_as_its_process_is(study):
    trial = study.ask(SPACE)
    claims.claim(trial, claims.me())
    assert not claims.is_abandoned(stored(study, trial), now=time.time() + 1e6)
    claims.claim(trial, dead_worker())
    assert claims.is_abandoned(stored(study, trial))


def test_another_process_of_the_same_number_is_another_worker(study):
    trial = study.ask(SPACE)
    claims.claim(trial, {**claims.me(), "started": claims.me()["started"] - 1000})
    assert claims.is_abandoned(stored(study, trial))


def test_a_worker_of_another_machine_is_dead_when_it_was_silent(study):
    trial = study.ask(SPACE)
    claims.claim(trial, {"host": "elsewhere", "pid": os.getpid(), "started": 0.0})
    assert not claims.is_abandoned(stored(study, trial))
    assert claims.is_abandoned(stored(study, trial), now=time.time() + claims.SILENCE + 1)
    claims.give_sign_of_life(trial)
    assert not claims.is_abandoned(stored(study, trial), now=time.time() + claims.SILENCE - 1)


def test_a_trial_that_nobody_signed_is_given_a_minute(study):
    trial = study.ask(SPACE)
    assert not claims.is_abandoned(stored(study, trial))
    assert claims.is_abandoned(stored(study, trial), now=time.time() + 61)


def test_the_next_worker_gets_the_same_settings_and_the_same_folder(study, capsys):
    trial = study.ask(SPACE)
    trial.set_user_attr(claims.RUN, "000,lr=0.5")
    claims.claim(trial, dead_worker())
    alive = study.ask(SPACE)
    claims.claim(alive, claims.me())
    claims.revive(study)
    claims.revive(study)  # once is enough
    states = [each.state for each in study.trials]
    assert states == [TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]
    assert study.trials[0].user_attrs[claims.REPLACED] is True
    again = study.ask(SPACE)
    assert again.params == trial.params
    assert again.user_attrs[claims.RUN] == "000,lr=0.5"
    assert again.user_attrs[claims.RETRY] == 0
    assert "trial 000 is taken up again" in capsys.readouterr().out


def test_a_trial_that_another_worker_handed_back_is_not_enqueued_twice(study):
    trial = study.ask(SPACE)
    seen = study.trials[0]
    study.tell(trial, 1.0)
    claims.hand_back(study, seen, reason="gone", retry=0)
    assert [each.state for each in study.trials] == [TrialState.COMPLETE]


def test_a_trial_without_settings_is_not_repeated(study):
    study.ask()
    claims.hand_back(study, study.trials[0], reason="gone", retry=0)
    assert [each.state for each in study.trials] == [TrialState.FAIL]
