"""Where everything of a run lies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from segkit.config.recorded import RESUMABLE
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import read_json, write_json
from segkit.foundation.strangers import load_yaml

FINISHED = "finished"
# Keys that do not change what a run learns.
FREE = (*RESUMABLE, "output", "launcher", "tracker", "study", "paths", "inference", "profiler", "training.devices")

CHANGES = 3  # keys that differ, named in a message
LONGEST = 60  # characters of a value in it


@dataclass(frozen=True)
class RunFolder:
    """The places in a run folder."""

    path: Path

    @property
    def config(self) -> Path:
        """The composed config."""
        return self.path / "config.yaml"

    @property
    def overrides(self) -> Path:
        """What was typed."""
        return self.path / "overrides.yaml"

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.path / "plan.yaml"

    @property
    def split(self) -> Path:
        """Case names that train, validate and are held out."""
        return self.path / "split.json"

    @property
    def cases(self) -> Path:
        """Each case's files with their sha256."""
        return self.path / "cases.json"

    @property
    def environment(self) -> Path:
        """Versions and hardware."""
        return self.path / "environment.json"

    @property
    def starting_weights(self) -> Path:
        """Which weights from elsewhere it began with, where it did."""
        return self.path / "starting_weights.json"

    @property
    def smaller_batch(self) -> Path:
        """How the samples of a step came once memory had run out; absent where it never did."""
        return self.path / "smaller_batch.json"

    @property
    def status(self) -> Path:
        """running, stopped, failed or finished; how far."""
        return self.path / "status.json"

    @property
    def metrics(self) -> Path:
        """A row a step."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """What was printed, with times."""
        return self.path / "log.txt"

    @property
    def last(self) -> Path:
        """The checkpoint from which a killed run goes on."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation Dice."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def model(self) -> Path:
        """weights.safetensors and model.yaml."""
        return self.path / "model"

    @property
    def postprocessing(self) -> Path:
        """The evidence for and against rules of postprocessing; absent where no fold validates."""
        return self.path / "postprocessing.json"

    def predictions(self, part: str) -> Path:
        """Masks of `training`, `validation` or `held_out` cases."""
        return self.path / "predictions" / part

    @property
    def evaluation(self) -> Path:
        """cases.csv and summary.json."""
        return self.path / "evaluation"

    @property
    def is_run(self) -> bool:
        """Whether a run began here."""
        return self.config.is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        status = read_json(self.status) if self.status.is_file() else None
        return isinstance(status, dict) and status.get("state") == FINISHED

    def set_status(self, state: str, **details: Any) -> None:
        """Record how the run stands."""
        # With the offset from UTC: a cluster's machines may keep another time than whoever reads it.
        write_json(
            self.status, {"state": state, "at": datetime.now().astimezone().isoformat("T", "seconds"), **details}
        )

    def read_config(self) -> dict[str, Any]:
        """Return the composed config.

        Raises:
            DataError: when this is no run folder, or its config cannot be read.
        """
        if not self.is_run:
            raise DataError(f"{self.path} is not a run folder: it has no config.yaml")
        config = load_yaml(self.config)
        if not isinstance(config, dict):
            raise DataError(f"{self.config} is not a composed config: it holds no mapping")
        return config


def new_run_folder(runs: Path, name: str) -> RunFolder:
    """Return `runs/NAME/TIME`, not made yet."""
    return RunFolder(runs / name / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S"))


def check_same_config(folder: RunFolder, now: Mapping[str, Any], way_out: str) -> None:
    """Make sure that a folder holds no run, or one that a config would train.

    Args:
        folder: of a run.
        now: the config.
        way_out: what goes on with what is there.

    Raises:
        UsageError: when it would train otherwise; the message says what differs.
    """
    if not folder.is_run:
        return
    changed = changed_values(folder.read_config(), now)
    if changed:
        few = [f"{key} ({shown(old)} -> {shown(new)})" for key, (old, new) in [*changed.items()][:CHANGES]]
        more = f" and {len(changed) - CHANGES} more" if len(changed) > CHANGES else ""
        raise UsageError(
            f"{folder.path} holds a run with another {', '.join(few)}{more}: choose another output, or {way_out}"
        )


def changed_values(before: Mapping[str, Any], now: Mapping[str, Any], section: str = "") -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys in which two configs would train differently, each with the old and the new value."""
    changed: dict[str, tuple[Any, Any]] = {}
    for key in sorted({*before, *now}):
        name, old, new = f"{section}{key}", before.get(key), now.get(key)
        if name in FREE or old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changed |= changed_values(old, new, f"{name}.")
        else:
            changed[name] = old, new
    return changed


def shown(value: Any) -> str:
    """Return a value as it is typed, a long one without its middle."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"
