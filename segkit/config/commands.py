"""The root config of each command: `conf/<command>.yaml`, typed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from segkit.config.options import (
    AugmentationOptions,
    BootstrapOptions,
    DatasetOptions,
    InferenceOptions,
    PathsOptions,
    PlanOptions,
    PreprocessingOptions,
    TrainingOptions,
    choice_key,
    duration_key,
    path_key,
    range_key,
)


@dataclass(kw_only=True)
class TrainConfig:
    """`segkit train`."""

    data: DatasetOptions
    plan: PlanOptions
    preprocessing: PreprocessingOptions
    augmentation: AugmentationOptions
    network: dict[str, Any]
    loss: dict[str, Any]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    training: TrainingOptions
    inference: InferenceOptions
    paths: PathsOptions
    launcher: dict[str, Any]
    name: str
    output: str | None = path_key()
    resume: str | None = path_key("folder")
    trust: list[str]
    seed: int = range_key(0)
    device: str
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class PrepareConfig:
    """`segkit prepare`."""

    data: DatasetOptions
    plan: PlanOptions
    preprocessing: PreprocessingOptions
    network: dict[str, Any]
    training: TrainingOptions
    paths: PathsOptions
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class PredictConfig:
    """`segkit predict`."""

    run: list[str] = path_key("any")  # noqa: RUF009  (declares, and gives no default)
    input: str | None = path_key("any")
    split: str | None = choice_key("held_out", "validation", "training")
    output: str | None = path_key()
    export: str = choice_key("auto", "nifti", "nrrd", "metaimage", "png", "tiff")
    inference: InferenceOptions
    trust: list[str]
    device: str
    debug: bool


@dataclass(kw_only=True)
class EvaluateConfig:
    """`segkit evaluate`."""

    predictions: str | None = path_key("folder")
    references: str | None = path_key("folder")
    run: str | None = path_key("any")
    split: str = choice_key("held_out", "validation", "training")
    output: str | None = path_key()
    labels: dict[str, int] | None
    trust: list[str]
    device: str
    tolerance: float = range_key(0)
    bootstrap: BootstrapOptions
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class ConvertConfig:
    """`segkit convert`."""

    input: str = path_key("any")
    output: str = path_key()
    debug: bool


@dataclass(kw_only=True)
class DemoConfig:
    """`segkit demo`."""

    output: str = path_key()
    cases: int = range_key(8)
    budget: str = duration_key()
    seed: int = range_key(0)
    device: str
    debug: bool


CONFIGS: dict[str, type] = {
    "train": TrainConfig,
    "prepare": PrepareConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "convert": ConvertConfig,
    "demo": DemoConfig,
}
