"""One training of a study, or one of the jobs that segment a cohort: what starts it, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segkit.config.checks import check_inputs
from segkit.config.commands import TrainConfig
from segkit.config.compose import configure
from segkit.config.recorded import CONFIG_FILE, OVERRIDES_FILE
from segkit.foundation.errors import StoppedError
from segkit.foundation.files import write_yaml
from segkit.preparation.intensity_transforms import portable
from segkit.runs.folder import FINISHED
from segkit.studies.progress import Progress

CONFIGS = "configs"  # the folder of a study that holds what its trials start from
FOLDS = "folds"  # what is pooled over folds
RESERVED = (CONFIGS, FOLDS, "predictions", "evaluation", "model")  # no names of trials
OUTPUT_FILE = "output.txt"
STOPPED = "stopped"


@dataclass(frozen=True)
class Trial:
    """A training, or another command, that is ready to start.

    Attributes:
        name: its swept overrides, safe as a folder's name; unique in the study.
        config: the composed yaml.
        run: the folder it will write.
        overrides: the words from which the yaml was composed.
        command: of segkit, which reads the yaml.
        processes: that train it together and share its cores.
    """

    name: str
    config: Path
    run: Path
    overrides: tuple[str, ...]
    command: str = "train"
    processes: int = 1

    @property
    def output(self) -> Path:
        """What its process prints, stdout and stderr together, over all attempts."""
        return self.config.with_name(OUTPUT_FILE)


@dataclass(frozen=True)
class Result:
    """How a trial ended.

    Attributes:
        trial: which.
        exit_code: of its process; negative for the signal that killed it.
        seconds: wall time of this attempt.
        reason: why it did not finish, in one line; None where it did, or where nobody knows.
        progress: how far it came, with its last metrics.
    """

    trial: Trial
    exit_code: int
    seconds: float
    reason: str | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def is_success(self) -> bool:
        """Whether the training came to its end."""
        return self.exit_code == 0

    @property
    def state(self) -> str:
        """One or a few words: `finished`, `stopped`, `failed with exit code 1`, `killed by signal 9`."""
        if self.is_success:
            return FINISHED
        if self.exit_code < 0:
            return f"killed by signal {-self.exit_code}"
        if self.exit_code == StoppedError.exit_code:
            return STOPPED
        return f"failed with exit code {self.exit_code}"


def training_config(words: Sequence[str], config_dirs: Iterable[str | Path] = ()) -> TrainConfig:
    """Compose the training of a trial, checked, and without files that its transforms learn from.

    Raises:
        UsageError: when it does not hold together, or something that it names is not there.
    """
    config: TrainConfig = configure("train", words, config_dirs=config_dirs)
    check_inputs(config)
    return portable(config)


def write_trial(study: Path, name: str, words: Sequence[str], config: Any) -> Trial:
    """Put what a trial starts from into a study's folder.

    Args:
        study: the study's folder; the trial's run folder will be `study/name`.
        name: safe as a folder's name, unique in the study.
        words: the overrides from which `config` was composed, for the record.
        config: a composed `TrainConfig`; its `output` is replaced by the run folder, its `study.folder` by `study`.

    Returns:
        The trial, ready for `Engine.submit`.
    """
    run = study / name
    overrides = (*(word for word in words if not word.startswith("output=")), f"output={run}")
    processes = config.training.devices or 1
    trial = Trial(name, study / CONFIGS / name / CONFIG_FILE, run, overrides, processes=processes)
    options = replace(config.study, folder=str(study)) if config.study else None
    write_yaml(trial.config, replace(config, output=str(run), study=options))
    write_yaml(trial.config.with_name(OVERRIDES_FILE), list(overrides))
    return trial
