"""The root config of each command: `conf/<command>.yaml`, typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from segkit.config.options import (
    AugmentationOptions,
    BootstrapOptions,
    CascadeOptions,
    DatasetOptions,
    DicomOptions,
    InferenceOptions,
    MetricsOptions,
    ObjectOptions,
    PacsOptions,
    PathsOptions,
    PlanOptions,
    PostprocessingOptions,
    PreprocessingOptions,
    ScoreOptions,
    SeriesOptions,
    StudyOptions,
    TrainingOptions,
    choice_key,
    duration_key,
    group_key,
    only_some_key,
    path_key,
    range_key,
    text_key,
)
from segkit.config.search import SweepOptions


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
    cascade: CascadeOptions | None
    callbacks: dict[str, Any]
    profiler: dict[str, Any]
    plugins: dict[str, Any]
    logger: dict[str, Any]
    inference: InferenceOptions
    paths: PathsOptions
    launcher: dict[str, Any]
    tracker: dict[str, Any] | None = only_some_key()  # noqa: RUF009  (nor a tracker)
    study: StudyOptions = only_some_key()  # noqa: RUF009  (runs recorded before there were studies have none)
    name: str
    output: str | None = path_key()
    resume: str | None = path_key("folder")
    trust: list[str]
    seed: int = range_key(0)
    device: str
    workers: int | None = range_key(1)
    debug: bool | str


@dataclass(kw_only=True)
class TuneConfig(TrainConfig):
    """`segkit tune`: the config that its trainings start from, and how they are varied."""

    sweep: SweepOptions


@dataclass(kw_only=True)
class PrepareConfig:
    """`segkit prepare`."""

    data: DatasetOptions
    plan: PlanOptions
    preprocessing: PreprocessingOptions
    network: dict[str, Any]
    training: TrainingOptions
    paths: PathsOptions
    launcher: dict[str, Any]
    device: str
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class CheckConfig:
    """`segkit check`."""

    data: DatasetOptions
    output: str | None = path_key()
    outlier: float = range_key(1)
    grid_tolerance: float = range_key(0)
    paths: PathsOptions
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class InspectConfig:
    """`segkit inspect`."""

    data: DatasetOptions
    plan: PlanOptions
    preprocessing: PreprocessingOptions
    augmentation: AugmentationOptions
    network: dict[str, Any]
    training: TrainingOptions
    paths: PathsOptions
    output: str | None = path_key()
    patches: int = range_key(1)
    seed: int = range_key(0)
    device: str
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class CacheConfig:
    """`segkit cache`."""

    action: str = choice_key("list", "clean")
    unused: str | None = duration_key()
    paths: PathsOptions
    debug: bool


@dataclass(kw_only=True)
class PredictConfig:
    """`segkit predict`."""

    data: DatasetOptions | None
    run: list[str] = path_key("any")  # noqa: RUF009  (declares, and gives no default)
    input: str | None = path_key("any", or_address=True)
    series: SeriesOptions
    dicom: DicomOptions
    split: str | None = choice_key("held_out", "validation", "training")
    output: str | None = path_key(or_address=True)
    export: str | list[str]
    objects: ObjectOptions
    pacs: PacsOptions
    scores: ScoreOptions
    launcher: dict[str, Any] | None = group_key()  # noqa: RUF009  (declares, and gives no default)
    shard: str | None
    inference: InferenceOptions
    postprocessing: PostprocessingOptions
    trust: list[str]
    device: str
    debug: bool


@dataclass(kw_only=True)
class EvaluateConfig:
    """`segkit evaluate`."""

    data: DatasetOptions | None
    predictions: str | None = path_key("folder")
    references: str | None = path_key("folder")
    run: str | None = path_key("any")
    split: str = choice_key("held_out", "validation", "training")
    output: str | None = path_key()
    labels: dict[str, int | str | list[int]] | None
    launcher: dict[str, Any] | None = group_key()  # noqa: RUF009  (declares, and gives no default)
    columns: str | None = path_key("file")
    groups: list[str]
    cluster_by: str | None
    trust: list[str]
    device: str
    grid_tolerance: float = range_key(0)
    probabilities: str | None = path_key("folder")
    metrics: MetricsOptions
    format: str = choice_key("segkit", "nnunet")
    bootstrap: BootstrapOptions
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class CompareConfig:
    """`segkit compare`."""

    runs: list[str] = path_key("any")  # noqa: RUF009  (declares, and gives no default)
    split: str = choice_key("auto", "held_out", "validation")
    metric: str
    label: str
    baseline: str | None = text_key()
    pool: list[str]
    difference: float | None = range_key(0)
    best: str | None = path_key()
    ensembles: bool
    output: str | None = path_key()
    trust: list[str]
    device: str
    bootstrap: BootstrapOptions
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class PackageConfig:
    """`segkit package`."""

    run: list[str] = path_key("any")  # noqa: RUF009  (declares, and gives no default)
    output: str = path_key()
    authors: str | None = text_key()
    licence: str | None = text_key()
    intended_use: str | None = text_key()
    trust: list[str]
    debug: bool


@dataclass(kw_only=True)
class ReportConfig:
    """`segkit report`."""

    run: str = path_key("folder")
    output: str | None = path_key()
    worst: int = range_key(0)
    channel: str | None
    file_size: str
    anonymous: bool
    figures: str | None = path_key()
    cases: list[str] | None
    serve: bool
    trust: list[str]
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class MeasureConfig:
    """`segkit measure`."""

    masks: str | None = path_key("any")
    images: str | None = path_key("any")
    output: str | None = path_key()
    labels: dict[str, int | str | list[int]] | None
    components: bool
    channels: list[str] | None
    bin_width: float = range_key(0)
    grid_tolerance: float = range_key(0)
    workers: int | None = range_key(1)
    debug: bool


@dataclass(kw_only=True)
class ConvertConfig:
    """`segkit convert`."""

    data: DatasetOptions | None
    input: str | None = path_key("any")
    output: str | None = path_key()
    list: bool
    like: str | None = path_key("any")
    labels: dict[str, int | str | Sequence[int]] | None  # `list` is a key here
    objects: ObjectOptions
    series: SeriesOptions
    dicom: DicomOptions
    layout: str = choice_key("nnunet")
    workers: int | None = range_key(1)
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
    "check": CheckConfig,
    "inspect": InspectConfig,
    "prepare": PrepareConfig,
    "train": TrainConfig,
    "tune": TuneConfig,
    "predict": PredictConfig,
    "evaluate": EvaluateConfig,
    "compare": CompareConfig,
    "report": ReportConfig,
    "package": PackageConfig,
    "measure": MeasureConfig,
    "convert": ConvertConfig,
    "cache": CacheConfig,
    "demo": DemoConfig,
}
