"""What every tracker is told of a trial that has ended, and how one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from segkit.config.targets import import_target
from segkit.foundation.building import TARGET, arguments_of
from segkit.foundation.console import warn
from segkit.foundation.errors import MissingExtraError, StoppedError, UsageError, one_line
from segkit.foundation.locks import lock
from segkit.runs.folder import RunFolder
from segkit.studies.progress import rows_of
from segkit.studies.trial import Result

PACKAGES = ("mlflow", "tensorboard", "wandb")
_HOME = "segkit.studies.trackers."
_ARTIFACTS = (
    "config.yaml", "overrides.yaml", "plan.yaml", "split.json", "metrics.csv", "progress.png",
    "evaluation/summary.json",
)  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """A trial that has ended.

    Attributes:
        name: of its run folder, unique in the study.
        run: its run folder.
        settings: what tells it from the others, `optimizer.lr` to `0.001`.
        state: `finished`, `pruned`, `stopped`, `failed with exit code 1` ...
        values: `dice`, `seconds` and what else is known of it at its end.
    """

    name: str
    run: Path
    settings: Mapping[str, str]
    state: str
    values: Mapping[str, float]

    def typed_settings(self) -> dict[str, float | str]:
        """Return the settings, numbers as numbers, for axes."""
        return {key: _number_or_text(value) for key, value in self.settings.items()}

    def history(self) -> list[tuple[int, dict[str, float]]]:
        """Return the rows of its metrics.csv: step, and the numbers of that row by column."""
        rows = [row for row in rows_of(RunFolder(self.run).metrics) if "step" in row]
        return [(int(row.pop("step")), row) for row in rows]

    def artifacts(self) -> list[Path]:
        """Return the files of its run folder that are worth keeping with it; weights stay where they are."""
        return [path for path in (self.run / name for name in _ARTIFACTS) if path.is_file()]


def _number_or_text(value: str) -> float | str:
    try:
        return float(value)
    except ValueError:
        return value


def settings_of(swept: Sequence[str]) -> dict[str, str]:
    """Return `key=value` words as a mapping."""
    pairs = (each.partition("=") for each in swept)
    return {key.lstrip("+"): value for key, _, value in pairs}


class Tracker(Protocol):
    """Where a study is told to."""

    def record(self, study: Path, trial: Ended) -> None:
        """Record a trial; one that was recorded before is replaced.

        Args:
            study: the study's folder.
            trial: as it ended.
        """


def build_tracker(options: Mapping[str, Any] | None) -> Tracker | None:
    """Build what `tracker=...` chooses; None for none.

    Raises:
        MissingExtraError: when its package is not installed.
        UsageError: when its target cannot be one.
    """
    if not options:
        return None
    target = str(options[TARGET])
    package = target.removeprefix(_HOME).partition(".")[0]
    if package in PACKAGES and find_spec(package) is None:
        raise MissingExtraError(package, package, f"tracker={package}")
    try:
        tracker: Tracker = import_target(target)(**arguments_of(options))
    except TypeError as error:
        raise UsageError(f"tracker: {target} does not take these options: {error}") from error
    return tracker


def is_local(options: Mapping[str, Any] | None) -> bool:
    """Say whether a study's own record may choose this tracker: one of segkit's that sends nothing, or none."""
    return not options or (str(options.get(TARGET)).startswith(_HOME) and not options.get("tracking_uri"))


def track(tracker: Tracker | None, study: Path, trial: Ended) -> None:
    """Tell a tracker, if there is one, of a trial; several workers take turns.

    What a tracker cannot take, be it that its server is away or its disk is full, is said and ends no study.
    """
    if tracker is None:
        return
    try:
        with lock(study / ".tracker.lock", doing="recording a trial"):
            tracker.record(study, trial)
    except StoppedError:
        raise
    except Exception as error:  # noqa: BLE001  (each tracker has errors of its own)
        warn(f"tracker: {trial.name} was not recorded, its run folder has all of it: {one_line(error)}")


def ended(result: Result, swept: Sequence[str]) -> Ended:
    """Return what a tracker is told of a trial of a sweep.

    Args:
        result: how it ended.
        swept: the overrides that tell it from the others.
    """
    progress = result.progress
    values = {"dice": progress.dice, "best_dice": progress.best_dice, "seconds": progress.seconds}
    known = {name: value for name, value in values.items() if value is not None}
    return Ended(result.trial.name, result.trial.run, settings_of(swept), result.state, known)
