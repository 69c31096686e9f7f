"""The plan: every decision between a scan and the patches that a network sees; stored, read and obeyed everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segkit.foundation.errors import DataError

RGB = 3
AXES = 3  # prepared arrays are (C, X, Y, Z); a picture has Z = 1


@dataclass(frozen=True)
class Normalisation:
    """How one channel's intensities become numbers near zero.

    Attributes:
        scheme: `clip_zscore` (CT: clip to [low, high], then subtract mean, divide by std, all of the data set),
            `zscore` (mean and std of each image), `unit` (0..255 to 0..1), `none`.
        low: lower clip in the channel's units (HU for CT).
        high: upper clip in the channel's units.
        mean: of the foreground over the data set, in the channel's units.
        std: of the foreground over the data set, in the channel's units.
    """

    scheme: str
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None


@dataclass(frozen=True)
class Plan:
    """From scan to patch, for one data set.

    Attributes:
        dims: 2 or 3, of the network.
        orientation: axis codes of prepared arrays, e.g. `RAS`; None keeps each scan's axes.
        spacing: mm per prepared axis; None keeps each scan's own.
        patch: voxels per prepared axis; exactly one axis is 1 for a 2D network.
        batch: patches a step.
        strides: per level of the network, one stride per network axis; the first level's are 1.
        kernels: per level, one kernel size per network axis.
        normalisation: per channel, in channel order.
        transforms: MONAI intensity transforms (`_target_` mappings) applied after normalisation.
        reasons: a sentence for each choice.
    """

    dims: int
    orientation: str | None
    spacing: tuple[float | None, ...]
    patch: tuple[int, ...]
    batch: int
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    normalisation: dict[str, Normalisation]
    transforms: tuple[dict[str, Any], ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[Normalisation, ...]:
        """The normalisation of each array channel: a channel of RGB pictures is three."""
        return tuple(n for n in self.normalisation.values() for _ in range(RGB if n.scheme == "unit" else 1))

    @property
    def slice_axis(self) -> int | None:
        """The prepared axis that a 2D network does not see; None in 3D."""
        return self.patch.index(1) if self.dims == AXES - 1 else None

    @property
    def network_patch(self) -> tuple[int, ...]:
        """The patch as the network sees it, `dims` long."""
        return tuple(size for axis, size in enumerate(self.patch) if axis != self.slice_axis)


def plan_from(mapping: Mapping[str, Any], *, where: str) -> Plan:
    """Read a plan back from its yaml mapping.

    Args:
        mapping: what `plan.yaml` or `model.yaml` holds.
        where: the file, for the error.

    Raises:
        DataError: when keys are missing, unknown or of the wrong kind.
    """
    try:
        return Plan(
            **{
                **mapping,
                "spacing": tuple(None if s is None else float(s) for s in mapping["spacing"]),
                "patch": tuple(int(size) for size in mapping["patch"]),
                "strides": tuple(tuple(int(s) for s in level) for level in mapping["strides"]),
                "kernels": tuple(tuple(int(k) for k in level) for level in mapping["kernels"]),
                "normalisation": {str(name): Normalisation(**n) for name, n in mapping["normalisation"].items()},
                "transforms": tuple(dict(t) for t in mapping.get("transforms", ())),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where} is not a plan that this version reads: {error}") from error
