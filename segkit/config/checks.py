"""Checks across keys, made before anything starts; the types of single keys are settled by then."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from segkit.config.commands import DemoConfig, EvaluateConfig, PredictConfig, PrepareConfig, TrainConfig
from segkit.config.keys import keys_of
from segkit.config.options import DatasetOptions, PlanOptions, TrainingOptions
from segkit.config.plan import AXES
from segkit.config.suggestions import did_you_mean, listed
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import UsageError

FAMILIES = ("ct", "mr", "pet", "rgb", "none")
DEVICES = ("auto", "cpu", "cuda", "mps")
_AXIS_PAIRS = ("LR", "PA", "IS")


def check_config(config: Any) -> None:
    """Check a command's config across its keys.

    Raises:
        UsageError: naming the keys that contradict each other, and what to write.
    """
    if isinstance(config, TrainConfig | PrepareConfig):
        check_dataset(config.data)
        check_plan(config.plan)
        check_fold(config.training, config.data)
    if isinstance(config, TrainConfig):
        check_length(config.training)
        check_name(config.name)
    if isinstance(config, TrainConfig | PredictConfig | DemoConfig):
        check_device(config.device)
    if isinstance(config, PredictConfig):
        check_prediction(config)
    if isinstance(config, EvaluateConfig):
        check_evaluation(config)


def check_inputs(config: Any) -> None:
    """Check that the files and folders which a config names as inputs exist.

    Raises:
        UsageError: naming the key and the path.
    """
    for name, key in keys_of(type(config)).items():
        wanted = key.metadata.get("exists")
        if not wanted:
            continue
        value = config
        for part in name.split("."):
            value = getattr(value, part)
        for path in value if isinstance(value, list) else [value]:
            if path is not None and not _lies_there(Path(path), wanted):
                kind = {"any": "file or folder", "file": "file", "folder": "folder"}[wanted]
                raise UsageError(f"{name}: there is no {kind} {path}")


def _lies_there(path: Path, wanted: str) -> bool:
    try:
        return {"any": path.exists, "file": path.is_file, "folder": path.is_dir}[wanted]()
    except OSError:  # a name longer than the file system allows, a folder closed to us
        return False


def check_length(training: TrainingOptions) -> None:
    """Require exactly one of `training.budget` and `training.steps`, above zero."""
    if training.budget is None and training.steps is None:
        raise UsageError("how long to train is not set: pass training.budget=10min or training.steps=1000")
    if training.budget is not None and training.steps is not None:
        raise UsageError(
            f"training.budget={training.budget} and training.steps={training.steps} are both set: "
            "pass training.budget=null or training.steps=null"
        )
    if training.budget is not None and parse_duration(training.budget) == 0:
        raise UsageError(f"training.budget: {training.budget} is no time at all: pass e.g. training.budget=10min")


def check_fold(training: TrainingOptions, data: DatasetOptions) -> None:
    """Require `training.fold` to be `all` or one of the data set's folds."""
    folds = data.split.folds
    if training.fold != "all" and training.fold not in map(str, range(folds)):
        raise UsageError(
            f"training.fold: {training.fold} is neither all nor one of the {folds} folds (0 to {folds - 1})"
        )


def check_dataset(data: DatasetOptions) -> None:
    """Check channels, labels and mirrored pairs of a data set."""
    if not data.channels:
        raise UsageError("data.channels is empty: write e.g. data.channels={CT: ct}")
    for channel, family in data.channels.items():
        if family not in FAMILIES:
            hint = did_you_mean(family, FAMILIES)
            raise UsageError(f"data.channels.{channel}: {family} is not one of {listed(FAMILIES)}{hint}")
    if len(data.labels) < 2:
        raise UsageError("data.labels needs two labels or more: write e.g. data.labels={background: 0, liver: 1}")
    names: dict[int, str] = {}
    for label, value in data.labels.items():
        if value in names:
            raise UsageError(f"data.labels: {names[value]} and {label} both have the value {value}")
        names[value] = label
    for pair in data.mirrored:
        _check_pair(pair, data.labels)


def _check_pair(pair: list[str], labels: dict[str, int]) -> None:
    if len(pair) != 2 or pair[0] == pair[1]:
        raise UsageError(f"data.mirrored: {pair} is not a pair of two labels, such as [left_kidney, right_kidney]")
    for label in pair:
        if label not in labels:
            hint = did_you_mean(label, labels) or ";"
            raise UsageError(f"data.mirrored: {label} is not a label{hint} labels: {listed(labels)}")


def check_plan(plan: PlanOptions) -> None:
    """Check what is decided for the planner: axis codes, spacing and patch, one value per prepared axis."""
    if plan.orientation is not None:
        axes = [next((pair for pair in _AXIS_PAIRS if code in pair), None) for code in plan.orientation]
        if None in axes or len(set(axes)) != AXES or len(axes) != AXES:
            raise UsageError(f"plan.orientation: {plan.orientation} is not three axis codes such as RAS or LPS")
    for name, sizes in (("spacing", plan.spacing), ("patch", plan.patch)):
        if sizes is None:
            continue
        if len(sizes) != AXES:
            raise UsageError(f"plan.{name}: {list(sizes)} needs {AXES} values, one per prepared axis")
        if min(sizes) <= 0:
            raise UsageError(f"plan.{name}: {list(sizes)} must be above zero everywhere")
    if plan.patch is not None and plan.dims == AXES - 1 and plan.patch.count(1) != 1:
        raise UsageError(f"plan.patch: {plan.patch} must be 1 along exactly one axis, the one across the slices")
    if plan.patch is not None and plan.dims == AXES and 1 in plan.patch:
        raise UsageError(f"plan.patch: {plan.patch} is flat: make each axis larger than 1, or pass plan=slices_2d")


def check_name(name: str) -> None:
    """Require a run's name to be one plain folder name, since its runs lie in `paths.runs/NAME`."""
    if not name.strip() or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(f"name: {name!r} cannot be a folder's name: leave out slashes and a dot at its start")


def check_device(device: str) -> None:
    """Require `auto`, `cpu`, `cuda`, `cuda:N` or `mps`."""
    if device not in DEVICES and not re.fullmatch(r"cuda:\d+", device):
        hint = "; did you mean cuda?" if device in ("gpu", "GPU") else did_you_mean(device, DEVICES)
        raise UsageError(f"device: {device} is not one of auto, cpu, cuda, cuda:1, mps{hint}")


def check_prediction(config: PredictConfig) -> None:
    """Require scans to predict, from exactly one place, and somewhere to put their masks."""
    if not config.run:
        raise UsageError("run is empty: pass run=RUN")
    if (config.input is None) == (config.split is None):
        both = "input and split are both set" if config.input else "what to segment is not set"
        raise UsageError(f"{both}: pass input=SCANS, or split=held_out for cases of the run's data set")
    if config.input is not None and config.output is None:
        raise UsageError("output is not set: pass output=DIR")


def check_evaluation(config: EvaluateConfig) -> None:
    """Require masks with their references, or a run, and not both."""
    pair = (config.predictions, config.references)
    if config.run is not None and any(pair):
        raise UsageError("run and predictions are both set: pass run=RUN, or predictions=DIR references=DIR")
    if config.run is None and not all(pair):
        missing = "references" if config.predictions else "predictions"
        raise UsageError(f"{missing} is not set: pass predictions=DIR references=DIR output=DIR, or run=RUN")
    if config.run is None and config.output is None:
        raise UsageError("output is not set: pass output=DIR")
