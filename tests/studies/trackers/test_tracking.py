"""What trackers are told, and how one is chosen."""

import pytest

from segkit.foundation.errors import MissingExtraError, UsageError
from segkit.studies.progress import Progress, Validation
from segkit.studies.trackers import tracking
from segkit.studies.trackers.tracking import build_tracker, ended, is_local, settings_of, track
from segkit.studies.trial import Result, Trial
from tests.studies.trackers.study_folders import ended_trial

MLFLOW = {"_target_": "segkit.studies.trackers.mlflow.MlflowTracker", "experiment": "x", "tracking_uri": None}


def test_the_course_is_read_from_the_metrics_file(tmp_path):
    trial = ended_trial(tmp_path, "a")
    course = trial.history()
    assert [step for step, _ in course] == [1, 2, 2, 3, 3]
    assert course[1][1] == {"seconds": 1.0, "loss": 1.0, "learning_rate": 0.001, "waiting": 0.01}
    assert course[-1][1] == {"seconds": 2.5, "dice": 0.625, "dice_liver": 0.625}
    (trial.run / "metrics.csv").write_text("step,loss\n1,2\n2")  # killed in the middle of a row
    assert trial.history() == [(1, {"loss": 2.0})]
    (trial.run / "metrics.csv").unlink()
    assert trial.history() == []


def test_files_worth_keeping_are_those_that_exist(tmp_path):
    trial = ended_trial(tmp_path, "a")
    assert [path.name for path in trial.artifacts()] == ["config.yaml", "metrics.csv", "summary.json"]


def test_a_result_is_told_with_what_is_known_of_it(tmp_path):
    trial = Trial("a", tmp_path / "config.yaml", tmp_path / "a", ())
    progress = Progress(3, 2.5, 0.7, (Validation(2, 1.5, 0.6), Validation(3, 2.5, 0.5)))
    told = ended(Result(trial, 0, 9.0, progress=progress), ["+optimizer.betas=[0.9,0.99]", "seed=1"])
    assert told.values == {"dice": 0.5, "best_dice": 0.6, "seconds": 2.5}
    assert told.settings == {"optimizer.betas": "[0.9,0.99]", "seed": "1"}
    assert ended(Result(trial, 1, 9.0), []).values == {"seconds": 0.0}
    assert settings_of(["a=b=c"]) == {"a": "b=c"}


def test_no_tracker_is_none_and_is_told_nothing(tmp_path):
    assert build_tracker({}) is None
    assert build_tracker(None) is None
    track(None, tmp_path, ended_trial(tmp_path, "a"))
    assert not (tmp_path / ".tracker.lock").exists()


def test_a_tracker_that_fails_ends_no_study(tmp_path, capsys):
    class Away:
        def record(self, study, trial):
            raise ConnectionError("no server at http://elsewhere")

    track(Away(), tmp_path, ended_trial(tmp_path, "a"))
    assert "a was not recorded, its run folder has all of it: no server at" in capsys.readouterr().err


@pytest.mark.parametrize("package", tracking.PACKAGES)
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=rf"tracker={package} needs {package}.*segkit\[{package}\]"):
        build_tracker({"_target_": f"segkit.studies.trackers.{package}.Tracker"})


def test_options_that_a_tracker_does_not_take_are_refused(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: True)
    with pytest.raises(UsageError, match=r"tracker: .*MlflowTracker does not take these options"):
        build_tracker({**MLFLOW, "server": "x"})


def test_a_studys_own_record_may_choose_only_what_sends_nothing():
    assert is_local({})
    assert is_local(MLFLOW)
    assert not is_local({**MLFLOW, "tracking_uri": "http://elsewhere"})
    assert not is_local({"_target_": "stranger.Tracker"})
