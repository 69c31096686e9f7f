"""A study in MLflow: a run of its own, and one nested in it for each trial."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.studies.trackers.tracking import Ended

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PARENT, _STUDY, _TRIAL = "mlflow.parentRunId", "segkit.study", "segkit.trial"
_MOST = 1000  # metrics that MLflow takes at once
_FAILED = ("failed", "killed")


class MlflowTracker:
    """Records each trial with its settings, its whole course and its files.

    Args:
        experiment: of the study.
        tracking_uri: of a server; None: MLFLOW_TRACKING_URI where it is set, else mlflow.db in the study's folder.
    """

    def __init__(self, experiment: str, tracking_uri: str | None = None) -> None:
        self.experiment, self.tracking_uri = experiment, tracking_uri

    def record(self, study: Path, trial: Ended) -> None:
        """Record a trial; one that was recorded before is replaced."""
        client, experiment = self._open(study)
        parent = self._parent(client, experiment, study)
        for before in _found(client, experiment, f"tags.`{_TRIAL}` = '{trial.name}'", parent):
            client.delete_run(before)
        tags = {_PARENT: parent, _TRIAL: trial.name, "segkit.state": trial.state}
        run = client.create_run(experiment, tags=tags, run_name=trial.name).info.run_id
        for key, value in trial.settings.items():
            client.log_param(run, key, value)
        self._log_course(client, run, trial)
        for path in trial.artifacts():
            client.log_artifact(run, str(path))
        client.set_terminated(run, "FAILED" if trial.state.startswith(_FAILED) else "FINISHED")

    def _open(self, study: Path) -> tuple[MlflowClient, str]:
        from mlflow import MlflowClient

        uri = self.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        # MLflow would put artifacts of a database into the working directory.
        place = None if uri else (study / "mlflow_artifacts").absolute().as_uri()
        client = MlflowClient(uri or f"sqlite:///{study.absolute()}/mlflow.db")
        known = client.get_experiment_by_name(self.experiment)
        number = known.experiment_id if known else client.create_experiment(self.experiment, artifact_location=place)
        return client, str(number)

    def _parent(self, client: MlflowClient, experiment: str, study: Path) -> str:
        place = str(study).replace("'", "_")  # MLflow's conditions know no quote inside quotes
        runs = _found(client, experiment, f"tags.`{_STUDY}` = '{place}'")
        if runs:
            return runs[0]
        created = client.create_run(experiment, tags={_STUDY: place}, run_name=study.name)
        client.set_terminated(created.info.run_id)  # a study may go on at any time, and none should look unfinished
        return str(created.info.run_id)

    def _log_course(self, client: MlflowClient, run: str, trial: Ended) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        course = trial.history()
        metrics = [Metric(name, value, now, step) for step, row in course for name, value in row.items()]
        last = course[-1][0] if course else 0
        metrics += [Metric(f"final_{name}", value, now, last) for name, value in trial.values.items()]
        for start in range(0, len(metrics), _MOST):
            client.log_batch(run, metrics=metrics[start : start + _MOST])


def _found(client: MlflowClient, experiment: str, condition: str, parent: str | None = None) -> list[str]:
    nested = f" and tags.`{_PARENT}` = '{parent}'" if parent else ""
    return [run.info.run_id for run in client.search_runs([experiment], condition + nested)]
