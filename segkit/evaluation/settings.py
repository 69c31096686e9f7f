"""How masks are scored: which metrics, by which convention, and what counts where a label is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from segkit.config.options import MetricsOptions
from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

DEFAULT = ("overlap", "hd95", "assd", "nsd", "others")


@dataclass(frozen=True)
class LesionSettings:
    """What a lesion is and when it is found.

    Attributes:
        match: by `iou`, the voxels shared over those in either, or by `overlap`, the share of the reference lesion that
            the predicted one covers.
        threshold: which a pair must reach; 0 means that one voxel is enough.
        instances: `components`: connected voxels of a label; `values`: each value of a region is a lesion of its own.
        connectivity: whether voxels connect over `corners` (26 neighbours, 8 in 2D) or `faces` (6, 4).
        sizes: bounds in ml between the size classes of the Dice by size; none means no classes.
    """

    match: Literal["iou", "overlap"] = "iou"
    threshold: float = 0.1
    instances: Literal["components", "values"] = "components"
    connectivity: Literal["corners", "faces"] = "corners"
    sizes: tuple[float, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Choices behind the figures; the defaults are those of `conf/evaluate.yaml`.

    Attributes:
        compute: names of metrics and of their groups, or `all`.
        convention: of surface elements, `area` (as `surface-distance`) or `voxel` (as MONAI and MedPy).
        percentile: of the robust Hausdorff distance.
        direction: its percentile is the larger of both directions' (`larger`), or that of all distances (`pooled`).
        tolerance: of the surface Dice, in mm.
        tolerances: label -> its own tolerance in mm.
        boundary: width of the boundary IoU's band in mm; None takes a voxel's diagonal.
        both_empty: a label that neither mask holds is `left_out`, or has the `best` value.
        one_empty: a label that one of them holds has the metric's `worst` value, or is `left_out`.
        lesions: what a lesion is and when it is found.
        bins: of the calibration error.
    """

    compute: tuple[str, ...] = DEFAULT
    convention: Literal["area", "voxel"] = "area"
    percentile: float = 95.0
    direction: Literal["larger", "pooled"] = "larger"
    tolerance: float = 1.0
    tolerances: Mapping[str, float] = field(default_factory=dict)
    boundary: float | None = None
    both_empty: Literal["left_out", "best"] = "left_out"
    one_empty: Literal["worst", "left_out"] = "worst"
    lesions: LesionSettings = LesionSettings()
    bins: int = 15

    def tolerance_of(self, label: str) -> float:
        """Return the tolerance of a label's surface Dice in mm."""
        return self.tolerances.get(label, self.tolerance)


def check_tolerances(settings: Settings, labels: Sequence[str]) -> None:
    """Make sure that tolerances of their own belong to labels that there are.

    Raises:
        UsageError: naming the label that there is not.
    """
    for label in settings.tolerances:
        if label not in labels:
            near = did_you_mean(label, labels) or ";"
            raise UsageError(f"metrics.tolerances: there is no label {label}{near} labels: {listed(labels)}")


def settings_of(options: MetricsOptions) -> Settings:
    """Return the settings that `metrics:` of a config asks for; its choices were checked with it."""
    lesions = options.lesions
    return Settings(
        compute=tuple(options.compute),
        convention=options.convention,  # type: ignore[arg-type]
        percentile=options.percentile,
        direction=options.direction,  # type: ignore[arg-type]
        tolerance=options.tolerance,
        tolerances=dict(options.tolerances),
        boundary=options.boundary,
        both_empty=options.both_empty,  # type: ignore[arg-type]
        one_empty=options.one_empty,  # type: ignore[arg-type]
        lesions=LesionSettings(
            lesions.match,  # type: ignore[arg-type]
            lesions.threshold,
            lesions.instances,  # type: ignore[arg-type]
            lesions.connectivity,  # type: ignore[arg-type]
            tuple(sorted(lesions.sizes)),
        ),
        bins=options.bins,
    )
