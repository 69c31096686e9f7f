"""What conf/ may hold: one dataclass a group, one field a key; every value stands in the yaml, none here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from segkit.foundation.durations import parse_duration


def path_key(
    exists: Literal["", "any", "file", "folder"] = "", *, only_some: bool = False, or_address: bool = False
) -> Any:
    """Declare a key that holds a path: taken literally, and made absolute from where the command was typed.

    Args:
        exists: what must lie there before the command starts; "" for a path that may be new.
        only_some: whether the key may be absent and is None then, as in runs recorded before there was such a key.
        or_address: whether the address of a PACS may stand in its place.
    """
    metadata = {"path": True, "exists": exists, "only_some": only_some, "or_address": or_address}
    return field(default=None, metadata=metadata) if only_some else field(metadata=metadata)


def text_key() -> Any:
    """Declare a key that holds a sentence: taken literally, commas and brackets included."""
    return field(metadata={"text": True})


def duration_key(*, only_some: bool = False) -> Any:
    """Declare a key that holds a duration such as `10min`; one that only some have is None in others."""
    metadata = {"duration": True, "only_some": only_some}
    return field(default=None, metadata=metadata) if only_some else field(metadata=metadata)


def choice_key(*choices: str) -> Any:
    """Declare a key that takes one of `choices`."""
    return field(metadata={"choices": choices})


def range_key(minimum: float, maximum: float = float("inf")) -> Any:
    """Declare a number within [minimum, maximum]."""
    return field(metadata={"minimum": minimum, "maximum": maximum})


def group_key() -> Any:
    """Declare a group of which nothing need be chosen, and whose yamls have keys of their own."""
    return field(metadata={"group": True})


def only_some_key(*, minimum: float | None = None) -> Any:
    """Declare a key that only some of a group's yamls, or of the runs recorded so far, have; in others it is None.

    Args:
        minimum: of a number.
    """
    bounds = {} if minimum is None else {"minimum": minimum, "maximum": float("inf")}
    return field(default=None, metadata={"only_some": True, **bounds})


@dataclass(kw_only=True)
class SplitOptions:
    """Which cases train, validate and stay untouched."""

    held_out: str | None = path_key("file")
    held_out_fraction: float | None = range_key(0, 0.9)
    folds: int | str
    outer_folds: int | None = range_key(2)
    outer_fold: int | None = range_key(0)
    seed: int = range_key(0)
    group_by: str | None
    stratify_by: str | None
    file: str | None = path_key("file")


@dataclass(kw_only=True)
class DatasetOptions:
    """One data set: where its cases lie and what their voxels mean."""

    name: str
    root: str = path_key("folder")
    task: str | None = only_some_key()
    download: bool | None = only_some_key()
    layout: dict[str, Any]
    previous: str | None = only_some_key()  # set by a cascade, for its later stage
    channels: dict[str, str | dict[str, str]] | None
    labels: dict[str, int | str | list[int]] | None
    region_order: list[int] | None
    mirrored: list[list[str]]
    columns: str | None = path_key("file")
    annotated: str | None = only_some_key()
    skip_unusable: bool
    split: SplitOptions


@dataclass(kw_only=True)
class SeriesOptions:
    """Which series of a DICOM export are meant; null: any."""

    modality: str | list[str] | None
    description: str | list[str] | None
    min_slices: int | None = range_key(1)
    uid: str | list[str] | None


@dataclass(kw_only=True, frozen=True)
class DicomOptions:
    """How DICOM series are read where they leave a choice."""

    gaps: str = choice_key("refuse", "resample")
    volumes: str = choice_key("split", "channels")
    padding: str = choice_key("keep", "lowest")


@dataclass(kw_only=True, frozen=True)
class ObjectOptions:
    """What DICOM objects made of masks are like."""

    segmentation: str = choice_key("binary", "labelmap")
    compression: str = choice_key("none", "deflate", "rle", "jpeg_ls", "jpeg_2000")
    terms: dict[str, str | list[str | int] | dict[str, str | list[str | int]]]


@dataclass(kw_only=True, frozen=True)
class PacsOptions:
    """How a PACS is asked."""

    folder: str = path_key()
    attempts: int = range_key(1)
    timeout: float = range_key(1)


@dataclass(kw_only=True, frozen=True)
class ScoreOptions:
    """What is written beside masks of how sure the networks are."""

    probabilities: str | None = choice_key("nifti", "zarr")
    maps: list[str]
    expected_dice: bool
    passes: int = range_key(0)
    flagged: float = range_key(0, 1)

    @property
    def on_the_grid(self) -> bool:
        """Whether anything is written for each voxel."""
        return self.probabilities is not None or bool(self.maps)

    @property
    def are_wanted(self) -> bool:
        """Whether probabilities are computed for each voxel of the scan."""
        return self.on_the_grid or self.expected_dice


@dataclass(kw_only=True)
class PlanOptions:
    """What the planner decides, and what is decided for it (null: the planner's choice)."""

    file: str | None = path_key("file")
    dims: int = range_key(2, 3)
    neighbours: int | None = only_some_key(minimum=0)
    resolution: str = choice_key("full", "low")
    memory: str
    orientation: str | None
    spacing: list[float] | None
    patch: list[int] | None
    max_voxels: int | None = range_key(64)
    batch: int | None = range_key(1)
    members: int | None = range_key(1, 32)
    measure: bool
    order: int = range_key(1, 3)
    normalisation: dict[str, str]


@dataclass(kw_only=True)
class PreprocessingOptions:
    """Intensity transforms before and after the plan's own orientation, cropping, resampling and normalisation."""

    on_scan: list[Any] | None = only_some_key()  # noqa: RUF009  (declares, and gives no default)
    transforms: list[Any]


@dataclass(kw_only=True)
class CascadeOptions:
    """An earlier stage at low resolution, whose mask is a further input."""

    folds: int = range_key(0)
    share: float = range_key(0, 0.9)


@dataclass(kw_only=True)
class PatchChanges:
    """What a training patch goes through."""

    mirror: float | None = range_key(0, 1)
    mirror_axes: list[int] | None
    transforms: list[Any]


@dataclass(kw_only=True)
class AugmentationOptions(PatchChanges):
    """The same, and what takes its place in long trainings; None: nothing."""

    long: PatchChanges | None = None

    def of(self, *, long: bool) -> PatchChanges:
        """Return what the patches of a long training, or of another, go through."""
        return self.long if long and self.long else self


class Waiting:
    """After how long a wait for files is worth a warning."""

    stalled_after: str | None

    @property
    def stalled_seconds(self) -> float | None:
        """`stalled_after` in seconds; None: never."""
        return None if self.stalled_after is None else parse_duration(self.stalled_after)


@dataclass(kw_only=True)
class TrainingOptions(Waiting):
    """How long, on which cases, and how."""

    budget: str | None = duration_key()
    steps: int | None = range_key(1)
    fold: str
    weights: str | None = path_key("any", only_some=True)
    frozen: list[str] | None = only_some_key()  # noqa: RUF009  (declares, and gives no default)
    rates: dict[str, float] | None = only_some_key()  # noqa: RUF009
    precision: str = choice_key("auto", "bf16", "32")
    foreground: float = range_key(0, 1)
    accumulate: int = range_key(1)
    devices: int | None = only_some_key(minimum=1)
    gradient_clip: float = range_key(0)
    ema: float = range_key(0, 1)
    workers: int = range_key(0)
    stalled_after: str | None = duration_key(only_some=True)
    validate_every: str | None = duration_key()
    patience: int | None = range_key(1)
    checkpoint_every: str = duration_key()


@dataclass(kw_only=True)
class InferenceOptions(Waiting):
    """How a whole scan is covered by windows."""

    overlap: float = range_key(0, 0.9)
    mirror: str = choice_key("full", "light", "none")
    windows: int = range_key(1)
    memory: str
    skip_empty: bool
    precision: str = choice_key("auto", "bf16", "32")
    stalled_after: str | None = duration_key(only_some=True)


@dataclass(kw_only=True)
class PostprocessingOptions:
    """What becomes of components and holes of a predicted mask."""

    learnt: bool
    rules: dict[str, dict[str, bool | float]]


@dataclass(kw_only=True)
class PathsOptions:
    """Where things go when no output is named."""

    runs: str = path_key()
    cache: str = path_key()


@dataclass(kw_only=True)
class StudyOptions:
    """What concerns a run as one trial of a study."""

    resume: str | None = path_key("folder")
    folder: str | None = path_key()
    sweep: dict[str, Any]
    score: bool


@dataclass(kw_only=True)
class BootstrapOptions:
    """Confidence intervals over cases."""

    resamples: int = range_key(100)
    seed: int = range_key(0)


@dataclass(kw_only=True)
class LesionOptions:
    """What a lesion is and when it is found."""

    match: str = choice_key("iou", "overlap")
    threshold: float = range_key(0, 1)
    instances: str = choice_key("components", "values")
    connectivity: str = choice_key("corners", "faces")
    sizes: list[float]


@dataclass(kw_only=True)
class MetricsOptions:
    """Which figures masks are given, and by which convention."""

    compute: list[str]
    convention: str = choice_key("area", "voxel")
    percentile: float = range_key(0, 100)
    direction: str = choice_key("larger", "pooled")
    tolerance: float = range_key(0)
    tolerances: dict[str, float]
    boundary: float | None = range_key(0)
    both_empty: str = choice_key("left_out", "best")
    one_empty: str = choice_key("worst", "left_out")
    lesions: LesionOptions
    bins: int = range_key(2)
