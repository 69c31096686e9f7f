"""A study in MLflow's local store, read back by MLflow."""

import pytest

from segkit.studies.trackers.mlflow import MlflowTracker
from tests.studies.trackers.study_folders import ended_trial

mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'segkit[mlflow]'")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """One study for all tests: a new database takes MLflow seconds."""
    folder = tmp_path_factory.mktemp("mlflow") / "it's a study"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def client_of(study):
    return mlflow.MlflowClient(f"sqlite:///{study}/mlflow.db")


def runs_of(study, experiment):
    client = client_of(study)
    experiment = client.get_experiment_by_name(experiment)
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    return parents, {run.info.run_name: run for run in runs if "mlflow.parentRunId" in run.data.tags}


def test_trials_are_nested_runs_with_settings_course_and_files(study, elsewhere):
    tracker = MlflowTracker("nested")
    tracker.record(study, ended_trial(study, "a", rate="0.001"))
    tracker.record(study, ended_trial(study, "b", dice=0.5, state="pruned"))
    tracker.record(study, ended_trial(study, "c", state="failed with exit code 1"))
    parents, trials = runs_of(study, "nested")
    assert [run.info.run_name for run in parents] == [study.name]
    assert set(trials) == {"a", "b", "c"}
    a = trials["a"]
    assert a.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
    assert a.data.params == {"optimizer.lr": "0.001", "network": "unet"}
    assert a.data.metrics["final_dice"] == 0.625
    assert a.data.metrics["loss"] == 0.75
    course = client_of(study).get_metric_history(a.info.run_id, "dice")
    assert [(point.step, point.value) for point in course] == [(2, 0.4), (3, 0.625)]
    assert {run.info.status for run in trials.values()} == {"FINISHED", "FAILED"}
    assert trials["b"].data.tags["segkit.state"] == "pruned"
    names = {each.path for each in client_of(study).list_artifacts(a.info.run_id)}
    assert names == {"config.yaml", "metrics.csv", "summary.json"}
    assert (study / "mlflow_artifacts").is_dir()
    assert not list(elsewhere.iterdir())  # MLflow's own default is the working directory


def test_a_trial_that_goes_on_is_recorded_once(study):
    MlflowTracker("again").record(study, ended_trial(study, "a", state="stopped"))
    MlflowTracker("again").record(study, ended_trial(study, "a", dice=0.75))
    parents, trials = runs_of(study, "again")
    assert len(parents) == len(trials) == 1
    assert trials["a"].data.metrics["final_dice"] == 0.75


def test_a_long_training_fits(study):
    trial = ended_trial(study, "a")
    rows = [f"{step},{step / 10},1.0,0.1,0.0,," for step in range(1, 600)]
    header = "step,seconds,loss,learning_rate,waiting,dice,dice_x"
    (trial.run / "metrics.csv").write_text("\n".join([header, *rows, ""]))
    MlflowTracker("long").record(study, trial)
    _, trials = runs_of(study, "long")
    assert len(client_of(study).get_metric_history(trials["a"].info.run_id, "loss")) == 599
