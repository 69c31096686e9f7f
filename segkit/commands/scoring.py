"""What a trial of a study does once it is trained: its validation cases are segmented and scored."""

from __future__ import annotations

from dataclasses import replace

from segkit.commands.evaluate import evaluate
from segkit.commands.predict import predict
from segkit.config.commands import TrainConfig
from segkit.config.compose import configure
from segkit.config.options import StudyOptions
from segkit.datasets.splits import ALL
from segkit.runs.folder import RunFolder


def is_trial(config: TrainConfig) -> bool:
    """Say whether a run is a trial of a study."""
    study: StudyOptions | None = config.study  # runs recorded before there were studies have none
    return study is not None and study.folder is not None


def is_scored(config: TrainConfig) -> bool:
    """Say whether a run is a trial of a study in which a fold validates, and is to be scored."""
    return is_trial(config) and config.study.score and config.training.fold != ALL


def score_validation(folder: RunFolder, config: TrainConfig) -> None:
    """Segment and score the cases that validate, without postprocessing: its rules were learnt on these very cases.

    The masks stay in `predictions/validation`, where folds are pooled from; what is there already is not done again.

    Raises:
        CasesFailedError: when one could not be segmented; then nothing is scored, since `evaluate` would make up for it
            with postprocessing.
    """
    words = [f"run={folder.path}", "split=validation", f"device={config.device}"]
    raw = configure("predict", [*words, "postprocessing=none"])
    predict(replace(raw, trust=config.trust, inference=config.inference))
    evaluate(replace(configure("evaluate", words), trust=config.trust))
