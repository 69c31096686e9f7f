"""Sweeps and searches tell their trackers of each trial."""

from pathlib import Path

import pytest

from segkit.commands.tune import tune
from segkit.config.call import Call
from segkit.config.compose import configure
from segkit.foundation.errors import CasesFailedError, UsageError
from segkit.foundation.files import read_yaml, write_yaml
from segkit.studies.search import worker as working
from segkit.studies.sweep import sweep
from tests.studies.trackers.memory import TOLD

TARGET = "+tracker._target_=tests.studies.trackers.memory.Memory"


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(working, "_POLL_SECONDS", 0.0)
    (tmp_path / "cohort" / "images").mkdir(parents=True)
    TOLD.clear()
    return (
        "data=paired", "data.root=cohort", "training.steps=5", "training.fold=0", "output=study",
        "launcher._target_=tests.studies.search.toy_trainings.Toy",
    )  # fmt: skip


def test_a_search_tells_of_every_trial_that_ended(base):
    words = (*base, TARGET, "seed=1,11", "sweep.sampler=grid", "sweep.pruner=none")
    with pytest.raises(CasesFailedError):
        tune(configure("tune", words), Call("tune", words))
    assert sorted((study, settings["seed"], state) for study, _, settings, state, _ in TOLD) == [
        ("study", "1", "finished"),
        ("study", "11", "failed with exit code 1"),
    ]
    values = next(values for _, _, settings, _, values in TOLD if settings["seed"] == "1")
    assert values["dice"] == values["best_dice"] > 0.5
    assert values["seconds"] == 10.0


def test_a_sweep_tells_of_every_trial_that_ended(base):
    with pytest.raises(CasesFailedError):
        sweep(Call("train", (*base, TARGET, "seed=1,11", "study.score=false"), cwd=Path.cwd()))
    assert [(settings, state) for _, _, settings, state, _ in TOLD] == [
        ({"seed": "1"}, "finished"),
        ({"seed": "11"}, "failed with exit code 1"),
    ]


def test_a_study_that_goes_on_sends_nothing_where_its_own_record_says(base):
    study = Path("study")
    configs = study / "configs" / "seed=1"
    config = configure("train", [*base[:-1], "seed=1", "tracker=none"])
    write_yaml(configs / "config.yaml", config)
    (study / "study.json").write_text('{"trials": [{"name": "seed=1", "swept": ["seed=1"]}]}')
    recorded = read_yaml(configs / "config.yaml")
    elsewhere = {"_target_": "segkit.studies.trackers.mlflow.MlflowTracker", "experiment": "x"}
    recorded["tracker"] = {**elsewhere, "tracking_uri": "http://elsewhere.example"}
    write_yaml(configs / "config.yaml", recorded)
    with pytest.raises(UsageError, match=r"tracker: .*study was told to elsewhere: type tracker=... again"):
        sweep(Call("train", ("study.resume=study",), cwd=Path.cwd()))
    recorded["tracker"] = {"_target_": "strangers.Tracker"}
    write_yaml(configs / "config.yaml", recorded)
    with pytest.raises(UsageError, match="was told to elsewhere"):
        sweep(Call("train", ("study.resume=study",), cwd=Path.cwd()))
