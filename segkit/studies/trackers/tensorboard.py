"""A study in TensorBoard: a run for each trial, with its curves and a row of the HParams page."""

from __future__ import annotations

import shutil
from pathlib import Path

from segkit.foundation.files import atomic_folder
from segkit.studies.trackers.tracking import Ended

FOLDER = "tensorboard"


class TensorboardTracker:
    """Records each trial with its settings and its whole course in `STUDY/tensorboard/TRIAL`."""

    def record(self, study: Path, trial: Ended) -> None:
        """Record a trial; one that was recorded before is replaced."""
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        place = study / FOLDER / trial.name
        shutil.rmtree(place, ignore_errors=True)
        values = {f"final/{name}": value for name, value in trial.values.items()}
        with atomic_folder(place) as folder:
            writer = SummaryWriter(str(folder))
            for event in hparams({**trial.typed_settings(), "state": trial.state}, values):  # type: ignore[no-untyped-call]
                writer._get_file_writer().add_summary(event)  # type: ignore[no-untyped-call]
            for step, row in trial.history():
                for name, value in row.items():
                    writer.add_scalar(name, value, step)
            for name, value in values.items():
                writer.add_scalar(name, value, 0)
            writer.close()
