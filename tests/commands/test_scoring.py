"""The scoring of a trial."""

import pytest

from segkit.commands import predict, scoring
from segkit.config.compose import configure
from segkit.foundation.errors import CasesFailedError
from segkit.inference.cohort import Cohort
from segkit.runs.folder import RunFolder


def test_a_trial_with_a_case_that_could_not_be_segmented_is_not_scored(monkeypatch, tmp_path):
    labels = "data.labels={background: 0, ball: 1}"
    words = ["data=paired", f"data.root={tmp_path}", labels, "training.fold=0", "training.steps=1"]
    monkeypatch.setattr(predict, "_segmented", lambda config: Cohort({}, 0, {"ball_1": "the disk is full"}))
    monkeypatch.setattr(scoring, "evaluate", lambda config: pytest.fail("scored with what is not there"))
    with pytest.raises(CasesFailedError, match="1 of 1 scans failed: ball_1"):
        scoring.score_validation(RunFolder(tmp_path / "run"), configure("train", words))
