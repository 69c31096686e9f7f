"""A study in Weights & Biases, offline: a group, and a run in it for each trial."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from segkit.studies.trackers.tracking import Ended


class WandbTracker:
    """Records each trial with its settings, its whole course and its files in `STUDY/wandb`; nothing is sent.

    Args:
        project: of the study.
    """

    def __init__(self, project: str) -> None:
        self.project = project

    def record(self, study: Path, trial: Ended) -> None:
        """Record a trial; one that was recorded before is replaced."""
        import wandb

        # The same trial has the same number wherever it is sent from, and a later attempt replaces it.
        number = hashlib.sha256(f"{study}/{trial.name}".encode()).hexdigest()[:16]
        for before in (study / "wandb").glob(f"offline-run-*-{number}"):
            shutil.rmtree(before)
        run = wandb.init(
            project=self.project, group=study.name, job_type="trial", name=trial.name, id=number, dir=str(study),
            config=trial.typed_settings(), mode="offline", reinit="create_new",
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, disable_code=True, disable_git=True
            ),
        )  # fmt: skip
        for step, row in trial.history():
            run.log({"step": step, **row})
        run.summary.update({**{f"final/{name}": value for name, value in trial.values.items()}, "state": trial.state})
        artifact = wandb.Artifact(f"trial-{number}", type="run")
        for path in trial.artifacts():
            artifact.add_file(str(path))
        run.log_artifact(artifact)
        run.finish(exit_code=1 if trial.state.startswith(("failed", "killed")) else 0)
        wandb.teardown()  # waits until all is on disk, which finish() does not, and leaves no process behind
