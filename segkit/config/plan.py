"""The plan: every decision between a scan and the patches that a network sees; stored, read and obeyed everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segkit.config.channels import RGB, Channel
from segkit.foundation.errors import DataError

LANDMARKS = 11  # of the standard scale of `nyul`
AXES = 3  # prepared arrays are (C, X, Y, Z); a picture has Z = 1


@dataclass(frozen=True)
class Normalisation:
    """How one channel's intensities become numbers near zero.

    Attributes:
        scheme: `clip_zscore` (CT: clip to [low, high], then subtract mean, divide by std, all of the data set),
            `zscore` (mean and std of each image), `zscore_nonzero` (likewise, of its nonzero voxels; the others stay
            0), `percentile` (each image's 0.5th to 99.5th percentile to 0..1), `nyul` (landmarks of each image's
            histogram to the data set's, then mean and std of these), `unit` (0..255 to 0..1), `none`.
        low: lower clip in the channel's units (HU for CT).
        high: upper clip in the channel's units.
        mean: of the foreground over the data set, in the channel's units.
        std: of the foreground over the data set, in the channel's units.
        width: array channels that the channel brings: a colour picture three.
        landmarks: of `nyul`, on the data set's standard scale.
    """

    scheme: str
    low: float | None = None
    high: float | None = None
    mean: float | None = None
    std: float | None = None
    width: int = 1
    landmarks: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """From scan to patch, for one data set.

    Attributes:
        dims: 2 or 3, of the network.
        orientation: axis codes of prepared arrays, e.g. `RAS`; None keeps each scan's axes.
        spacing: mm per prepared axis; None keeps each scan's own.
        patch: voxels per prepared axis; exactly one axis is 1 for a 2D network.
        batch: patches a step, those of all members.
        strides: per level of the network, one stride per network axis; the first level's are 1.
        kernels: per level, one kernel size per network axis.
        normalisation: per channel, in channel order.
        order: of the spline that resamples images, 1 (linear) to 3 (cubic).
        onto: channels that are resampled onto another one's grid first, with that one's name.
        on_scan: MONAI intensity transforms (`_target_` mappings) of scans as they are stored, before all else.
        transforms: the same, applied after normalisation.
        features: channels per level of a network that leaves them to the plan; None: its own default.
        members: networks that learn side by side, each from its share of the batch, and are averaged in prediction.
        previous: classes of the mask of an earlier stage that follow the channels, one image each, 1 inside; 0: none.
        neighbours: slices on each side that a 2D network sees beside its own, as further images; 0: none.
        long: whether the training has many steps: then patches are flipped where `augmentation.mirror` is null, and
            `augmentation.long` takes the place of the rest.
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
    order: int = 3
    onto: dict[str, str] = field(default_factory=dict)
    on_scan: tuple[dict[str, Any], ...] = ()
    transforms: tuple[dict[str, Any], ...] = ()
    features: tuple[int, ...] | None = None
    members: int = 1
    previous: int = 0
    neighbours: int = 0
    long: bool = True
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[Normalisation, ...]:
        """The normalisation of each array channel: a channel of colour pictures is three."""
        return tuple(n for n in self.normalisation.values() for _ in range(n.width))

    @property
    def width(self) -> int:
        """How many images a prepared case has: array channels, and classes of an earlier stage's mask."""
        return len(self.channels) + self.previous

    @property
    def slices(self) -> int:
        """How many slices of each image a network sees at once."""
        return 2 * self.neighbours + 1

    @property
    def network_width(self) -> int:
        """How many images a network takes: a prepared case's, each as many times as it sees slices of it."""
        return self.width * self.slices

    @property
    def inputs(self) -> dict[str, Channel]:
        """The channels that a scan must have, as they are read."""
        families = {1: "none", RGB: "rgb"}
        return {name: Channel(families[n.width], self.onto.get(name)) for name, n in self.normalisation.items()}

    @property
    def slice_axis(self) -> int | None:
        """The prepared axis that a 2D network does not see; None in 3D."""
        return self.patch.index(1) if self.dims == AXES - 1 else None

    @property
    def network_patch(self) -> tuple[int, ...]:
        """The patch as the network sees it, `dims` long."""
        return tuple(size for axis, size in enumerate(self.patch) if axis != self.slice_axis)


def leaves_features(network: Mapping[str, Any]) -> bool:
    """Say whether a network's yaml leaves the channels of its levels to the plan."""
    return "features" in network and network["features"] is None


def plan_from(mapping: Mapping[str, Any], *, where: str) -> Plan:
    """Read a plan back from its yaml mapping.

    Args:
        mapping: what `plan.yaml` or `model.yaml` holds.
        where: the file, for the error.

    Raises:
        DataError: when keys are missing, unknown or of the wrong kind, or contradict each other.
    """
    # A stranger's plan may hold anything: each value is converted, so that what is of another kind fails here.
    try:
        plan = Plan(
            **{
                **mapping,
                "dims": int(mapping["dims"]),
                "batch": int(mapping["batch"]),
                "orientation": None if mapping["orientation"] is None else str(mapping["orientation"]),
                "spacing": tuple(None if s is None else float(s) for s in mapping["spacing"]),
                "patch": tuple(int(size) for size in mapping["patch"]),
                "strides": tuple(tuple(int(s) for s in level) for level in mapping["strides"]),
                "kernels": tuple(tuple(int(k) for k in level) for level in mapping["kernels"]),
                "normalisation": {str(name): _normalisation(**n) for name, n in mapping["normalisation"].items()},
                "order": int(mapping.get("order", 3)),
                "onto": {str(name): str(other) for name, other in dict(mapping.get("onto", {})).items()},
                "on_scan": tuple(dict(t) for t in mapping.get("on_scan", ())),
                "transforms": tuple(dict(t) for t in mapping.get("transforms", ())),
                "features": _features(mapping.get("features")),
                "members": int(mapping.get("members", 1)),
                "previous": int(mapping.get("previous", 0)),
                "neighbours": int(mapping.get("neighbours", 0)),
                "long": bool(mapping.get("long", True)),
            }
        )
        wrong = _contradiction(plan) or _unseen(plan)
    except KeyError as error:
        raise DataError(f"{where} is not a plan that this version reads: it has no {error}") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{where} is not a plan that this version reads: {error}") from error
    if wrong:
        raise DataError(f"{where} is not a plan that this version reads: {wrong}")
    return plan


def _features(stored: Any) -> tuple[int, ...] | None:
    return None if stored is None else tuple(int(channels) for channels in stored)


def _normalisation(scheme: str, width: int = 1, landmarks: Any = None, **numbers: float | None) -> Normalisation:
    known = {name: None if n is None else float(n) for name, n in numbers.items()}
    if width not in (1, RGB):
        raise ValueError(f"a channel of width {width} is neither one array channel nor the three of a colour picture")
    places = None if landmarks is None else tuple(float(place) for place in landmarks)
    if scheme == "nyul" and (places is None or len(places) != LANDMARKS):
        raise ValueError(f"nyul has {LANDMARKS} landmarks")
    return Normalisation(scheme, **known, width=int(width), landmarks=places)


def _contradiction(plan: Plan) -> str | None:
    """Say what no scan or network could follow; None where all is well."""
    if plan.dims not in (2, AXES) or len(plan.spacing) != AXES or len(plan.patch) != AXES:
        return f"dims {plan.dims}, spacing {plan.spacing} and patch {plan.patch} do not describe {AXES} axes"
    if min(plan.patch) < 1 or not all(s is None or 0 < s < math.inf for s in plan.spacing):
        return f"spacing {plan.spacing} or patch {plan.patch} is not above zero"
    if plan.dims == 2 and plan.patch.count(1) != 1:
        return f"patch {plan.patch} has not exactly one axis of 1, which a 2D network does not see"
    levels = [*plan.strides, *plan.kernels]
    if not levels or len(plan.strides) != len(plan.kernels) or any(len(level) != plan.dims for level in levels):
        return f"strides and kernels do not both give {plan.dims} numbers per level"
    if any(number < 1 for level in levels for number in level):
        return "strides or kernels are not above zero"
    multiples = [math.prod(strides) for strides in zip(*plan.strides, strict=True)]
    if any(size % multiple for size, multiple in zip(plan.network_patch, multiples, strict=True)):
        return f"patch {plan.patch} is not a multiple of the strides"
    if plan.order not in (1, 2, 3) or any({name, other} - set(plan.normalisation) for name, other in plan.onto.items()):
        return f"order {plan.order} is not 1 to 3, or onto {plan.onto} names channels that have no normalisation"
    if plan.features is not None and (len(plan.features) < len(plan.strides) or min(plan.features) < 1):
        return f"features {plan.features} are not one number above zero for each of {len(plan.strides)} levels"
    if min(plan.batch, plan.members) < 1 or plan.batch % plan.members or not plan.normalisation or plan.previous < 0:
        return (
            f"batch {plan.batch} is not above zero or cannot be shared among {plan.members} members alike, no channel "
            f"has a normalisation, or previous is {plan.previous}"
        )
    return None


def _unseen(plan: Plan) -> str | None:
    """Say which images no network could be shown; None where all is well."""
    if plan.neighbours < 0 or (plan.neighbours and (plan.dims == AXES or plan.previous)):
        return f"neighbours {plan.neighbours} are of a 2D network without an earlier stage"
    return None
