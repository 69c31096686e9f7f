"""Checks across keys, made before anything starts; the types of single keys are settled by then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segkit.config.addresses import address_from, is_address
from segkit.config.commands import (
    CheckConfig,
    DemoConfig,
    EvaluateConfig,
    InspectConfig,
    MeasureConfig,
    PackageConfig,
    PredictConfig,
    PrepareConfig,
    TrainConfig,
    TuneConfig,
)
from segkit.config.data_checks import LEAVE_ONE_OUT, check_dataset, check_plan
from segkit.config.keys import keys_of
from segkit.config.options import DatasetOptions, TrainingOptions
from segkit.config.rules import rules_from
from segkit.config.search import check_search
from segkit.config.shard import shard_from
from segkit.config.sharing import check_sharing
from segkit.foundation.durations import parse_duration
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean

EACH = "each"  # of training.fold: every fold validates once, each in a training of its own
DEBUG = ("fast", "overfit")
TABLES = (".csv", ".parquet", ".pq")
DEVICES = ("auto", "cpu", "cuda", "mps")


def check_config(config: Any) -> None:
    """Check a command's config across its keys.

    Raises:
        UsageError: naming the keys that contradict each other, and what to write.
    """
    if isinstance(config, TrainConfig | PrepareConfig | InspectConfig | CheckConfig):
        check_dataset(config.data)
    if isinstance(config, TrainConfig | PrepareConfig | InspectConfig):
        check_plan(config.plan)
        check_fold(config.training, config.data)
    if isinstance(config, TrainConfig):
        check_training(config)
    if isinstance(config, TrainConfig | PredictConfig | DemoConfig | PrepareConfig | InspectConfig):
        check_device(config.device)
    if isinstance(config, PredictConfig):
        check_prediction(config)
    if isinstance(config, EvaluateConfig):
        check_evaluation(config)
    if isinstance(config, PackageConfig) and not config.run:
        raise UsageError("run is empty: pass run=RUN")
    if isinstance(config, MeasureConfig):
        check_measurement(config)


def check_training(config: TrainConfig) -> None:
    """Check what `segkit train` and the search over it have in common, and then what the search adds."""
    check_debug(config.debug)
    check_name(config.name)
    check_patience(config.training)
    check_lightning(config)
    if config.plan.batch is not None and config.plan.file is None:
        check_sharing(config.plan.batch, config.training.devices or 1)
    if not isinstance(config.debug, str):
        check_length(config.training)
    if isinstance(config, TuneConfig):
        check_search(config.sweep, config.training.fold)


def check_inputs(config: Any) -> None:
    """Check that the files and folders which a config names as inputs exist.

    Raises:
        UsageError: naming the key and the path.
    """
    for name, key in keys_of(type(config)).items():
        wanted = key.metadata.get("exists")
        if not wanted or (name == "data.root" and config.data and config.data.download):
            continue  # a download makes its folder
        if name == "data.split.held_out" and isinstance(config, CheckConfig):
            continue  # it says so itself, beside all else that is wrong
        value = config
        for part in name.split("."):
            value = getattr(value, part, None)
        for path in value if isinstance(value, list) else [value]:
            if path is not None and not is_address(path) and not _lies_there(Path(path), wanted):
                kind = {"any": "file or folder", "file": "file", "folder": "folder"}[wanted]
                raise UsageError(f"{name}: there is no {kind} {path}")


def _lies_there(path: Path, wanted: str) -> bool:
    try:
        return {"any": path.exists, "file": path.is_file, "folder": path.is_dir}[wanted]()
    except OSError:  # a name longer than the file system allows, a folder closed to us
        return False


def check_length(training: TrainingOptions) -> None:
    """Require exactly one of `training.budget` and `training.steps`, above zero.

    Raises:
        UsageError: where that does not hold.
    """
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
    """Require `training.fold` to be `all`, `each` or a fold's number; how many cases there are shows later.

    Raises:
        UsageError: where that does not hold.
    """
    fold, folds = training.fold, data.split.folds
    if fold in ("all", EACH):
        return
    if folds == LEAVE_ONE_OUT:
        is_known, known = fold.isdecimal(), "the number of a fold, from 0 on"
    else:
        is_known, known = fold in map(str, range(int(folds))), f"one of the {folds} folds (0 to {int(folds) - 1})"
    if not is_known:
        raise UsageError(f"training.fold: {fold} is neither all nor each nor {known}")


def check_patience(training: TrainingOptions) -> None:
    """Require a fold that validates where validations may end the training.

    Raises:
        UsageError: where that does not hold.
    """
    if training.patience is not None and training.fold == "all":
        raise UsageError(
            f"training.patience={training.patience} needs cases that validate, and training.fold=all has none: "
            "pass training.fold=0, or training.patience=null"
        )


def check_lightning(config: TrainConfig) -> None:
    """Require a `_target_` for the logger, each callback and plugin, and a profiler if any; null leaves one out.

    Raises:
        UsageError: where that does not hold.
    """
    many = {"callbacks": config.callbacks, "plugins": config.plugins}
    parts = {f"{slot}.{name}": part for slot, group in many.items() for name, part in group.items() if part is not None}
    parts |= {"logger": config.logger, **({"profiler": config.profiler} if config.profiler else {})}
    for name, part in parts.items():
        if not isinstance(part, Mapping) or "_target_" not in part:
            raise UsageError(f"{name}: {part} is not a mapping with a _target_, the class to build")


def check_debug(debug: bool | str) -> None:
    """Require `true`, `false`, `fast` or `overfit`.

    Raises:
        UsageError: where that does not hold.
    """
    if isinstance(debug, str) and debug not in DEBUG:
        raise UsageError(f"debug: {debug} is not one of true, false, {', '.join(DEBUG)}{did_you_mean(debug, DEBUG)}")


def check_name(name: str) -> None:
    """Require a run's name to be one plain folder name, since its runs lie in `paths.runs/NAME`.

    Raises:
        UsageError: where that does not hold.
    """
    if not name.strip() or name.startswith(".") or "/" in name or "\\" in name:
        raise UsageError(f"name: {name!r} cannot be a folder's name: leave out slashes and a dot at its start")


def check_device(device: str) -> None:
    """Require `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        UsageError: where that does not hold.
    """
    if device not in DEVICES and not re.fullmatch(r"cuda:\d+", device):
        hint = "; did you mean cuda?" if device in ("gpu", "GPU") else did_you_mean(device, DEVICES)
        raise UsageError(f"device: {device} is not one of auto, cpu, cuda, cuda:1, mps{hint}")


def check_prediction(config: PredictConfig) -> None:
    """Require scans to predict, from exactly one place, somewhere to put their masks, and sound rules for these.

    Raises:
        UsageError: where that does not hold.
    """
    if not config.run:
        raise UsageError("run is empty: pass run=RUN")
    asked = [name for name in ("input", "split", "data") if getattr(config, name) is not None]
    if len(asked) != 1:
        said = f"{' and '.join(asked)} are both set" if asked else "what to segment is not set"
        raise UsageError(
            f"{said}: pass input=SCANS, split=held_out for cases of the run's data set, or data=NAME for another one's"
        )
    if config.data is not None:
        check_dataset(config.data)
    if config.split is None and config.output is None:
        raise UsageError("output is not set: pass output=DIR")
    check_addresses(config)
    rules_from(config.postprocessing.rules, "postprocessing.rules")
    shard_from(config.shard)
    if config.launcher and config.shard:
        raise UsageError("shard and launcher are both set: a launcher makes the shards itself; leave out one")


def check_addresses(config: PredictConfig) -> None:
    """Require a study of a PACS to predict, and one job that stores what it makes.

    Raises:
        UsageError: where that does not hold.
    """
    if is_address(config.input) and not address_from(config.input or "", "input").study:
        raise UsageError("input: names no study: pass input=dicomweb://HOST:PORT/dicom-web/studies/UID")
    if is_address(config.output) and address_from(config.output or "", "output").series:
        raise UsageError("output: what is derived makes series of its own: leave out /series/UID")
    if (is_address(config.input) or is_address(config.output)) and (config.shard or config.launcher):
        key = "shard" if config.shard else "launcher"
        raise UsageError(f"{key}: jobs that share a PACS take a study or a series each: leave out {key}")


def check_evaluation(config: EvaluateConfig) -> None:
    """Require masks with their references, or a run, and not both.

    Raises:
        UsageError: where that does not hold.
    """
    if config.data is not None:
        check_dataset(config.data)
    if config.run is not None and (config.predictions or config.references):
        raise UsageError("run and predictions are both set: pass run=RUN, or predictions=DIR references=DIR")
    if config.data is not None and config.references is not None:
        raise UsageError("references and data are both set: a data set has its own; pass references=null")
    if config.run is None and not (config.predictions and (config.references or config.data)):
        missing = "references" if config.predictions else "predictions"
        raise UsageError(f"{missing} is not set: pass predictions=DIR references=DIR output=DIR, or run=RUN")
    if config.run is None and config.output is None:
        raise UsageError("output is not set: pass output=DIR")


def check_measurement(config: MeasureConfig) -> None:
    """Require masks, a table to write, and channels only where there are images.

    Raises:
        UsageError: where that does not hold.
    """
    if config.masks is None:
        raise UsageError("masks is not set: pass masks=DIR images=DIR output=FILE.csv")
    if config.output is None or Path(config.output).suffix.lower() not in TABLES:
        given = "is not set" if config.output is None else f"{config.output} is no table"
        raise UsageError(f"output: {given}: pass output=FILE.csv or output=FILE.parquet")
    if config.channels is not None and (config.images is None or not config.channels):
        names = f"channels: {list(config.channels)} names the channels of images"
        raise UsageError(f"{names}: pass images=DIR with channels=[A,B], or channels=null")
    if config.bin_width == 0:
        raise UsageError("bin_width: 0 makes no histogram: pass e.g. bin_width=25")
