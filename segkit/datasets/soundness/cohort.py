"""Cases beside each other: the same image twice, and values far from all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from segkit.config.channels import Channel
from segkit.datasets.soundness.cases import LEVELS, Examination
from segkit.datasets.soundness.findings import WARNING, Finding, found, unusable
from segkit.foundation.hashing import file_hash

FEWEST = 5  # cases, below which nothing is far from the others
NORMAL = 0.6745  # what makes the median absolute deviation of a normal distribution its standard deviation
SHARE = 0.95  # of the cases that have a label, above which lacking it is odd
FLOORS = {"spacing": 0.07, "size": 0.15, "label volume": 0.25, "intensity": 0.25}  # natural logarithms
HU_FLOOR = 100.0  # HU that percentiles of CT scans vary by anyway
LOW, HIGH = LEVELS.index(1.0), LEVELS.index(99.0)
WORLD = ("left-right", "posterior-anterior", "inferior-superior")


def compare(examined: Sequence[Examination], channels: Mapping[str, Channel], outlier: float) -> Iterator[Finding]:
    """Yield what is wrong between cases.

    Args:
        examined: every case.
        channels: of the data set; their families say how intensities compare.
        outlier: robust z beyond which a value is reported.
    """
    yield from duplicates(examined)
    # What is unusable is reported already, and would only blur what the others have in common.
    seen = [each for each in examined if each.measurements.shape and not unusable(each.findings)]
    for axis, name in enumerate(WORLD):
        yield from far_off(seen, "spacing", outlier, partial(spacing_along, axis), f"mm {name}")
        yield from far_off(seen, "size", outlier, partial(size_along, axis), f"voxels {name}")
    for channel, kind in channels.items():
        yield from intensities(seen, channel, kind.family, outlier)
    for label in dict.fromkeys(name for each in seen for name in each.measurements.volumes):
        yield from volumes(seen, label, outlier)


def spacing_along(axis: int, examined: Examination) -> float:
    """Return the spacing along a world axis, in mm."""
    return examined.measurements.spacing[axis]


def size_along(axis: int, examined: Examination) -> float:
    """Return the size along a world axis, in voxels."""
    return examined.measurements.shape[axis]


def duplicates(examined: Sequence[Examination]) -> Iterator[Finding]:
    """Yield a finding for each image whose voxels an earlier case has already."""
    first: dict[str, tuple[str, str]] = {}
    for each in sorted(examined, key=lambda one: one.case.name):
        for path, digest in each.measurements.voxels.items():
            case, other = first.setdefault(digest, (each.case.name, path))
            if other != path:
                same = "bytes" if _are_same_bytes(Path(path), Path(other)) else "voxels"
                yield found(each.case.name, WARNING, "duplicate-image", f"it has the {same} of {case} ({other})", path)


def _are_same_bytes(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and file_hash(one) == file_hash(other)


def far_off(
    examined: Sequence[Examination],
    kind: str,
    outlier: float,
    value: Callable[[Examination], float | None],
    unit: str,
    code: str = "",
    file: Callable[[Examination], object] | None = None,
) -> Iterator[Finding]:
    """Yield a finding for each value whose logarithm is far from the cohort's.

    Args:
        examined: the cohort.
        kind: of the value, a key of `FLOORS`.
        outlier: robust z beyond which it is reported.
        value: of a case, above zero; None or less leaves the case out.
        unit: follows the value in the message.
        code: of the finding; by default `KIND-outlier`.
        file: that the finding is about; by default the case's first image.
    """
    known = [(each, amount) for each in examined if (amount := value(each)) is not None and amount > 0]
    scores = robust_z([math.log(amount) for _, amount in known], FLOORS[kind])
    middle = float(np.median([amount for _, amount in known])) if known else 0.0
    for (each, amount), score in zip(known, scores, strict=True):
        if abs(score) > outlier:
            path = file(each) if file else next(iter(each.case.images.values()))
            message = f"{amount:.4g} {unit} among a median of {middle:.4g} (robust z {score:.1f})"
            yield found(each.case.name, WARNING, code or f"{kind}-outlier", message, path)


def intensities(examined: Sequence[Examination], channel: str, family: str, outlier: float) -> Iterator[Finding]:
    """Yield a finding for each case whose intensities are far from the others': in HU for CT, else their range."""
    known = [each for each in examined if each.measurements.intensities.get(channel)]
    if family == "ct":
        for place in (LOW, HIGH):
            values = [each.measurements.intensities[channel][place] for each in known]
            for each, score, amount in zip(known, robust_z(values, HU_FLOOR), values, strict=True):
                if abs(score) > outlier:
                    message = (
                        f"the {LEVELS[place]:g}th percentile of {channel} is {amount:.4g} HU (robust z {score:.1f})"
                    )
                    yield found(each.case.name, WARNING, "intensity-outlier", message, each.case.images[channel])
    elif family != "rgb":
        yield from far_off(
            known,
            "intensity",
            outlier,
            lambda each: each.measurements.intensities[channel][HIGH] - each.measurements.intensities[channel][LOW],
            f"from the 1st to the 99th percentile of {channel}",
            file=lambda each: each.case.images[channel],
        )


def volumes(examined: Sequence[Examination], label: str, outlier: float) -> Iterator[Finding]:
    """Yield a finding for each case whose label is much larger or smaller than elsewhere, or lacking."""
    known = [
        each for each in examined if label in each.measurements.volumes and any(each.measurements.volumes.values())
    ]
    code = "label-volume-outlier"
    yield from far_off(
        known,
        "label volume",
        outlier,
        lambda each: each.measurements.volumes[label],
        f"ml of {label}",
        code,
        lambda each: each.case.reference,
    )
    without = [each for each in known if not each.measurements.volumes[label]]
    if len(known) > 1 / (1 - SHARE) and 0 < len(without) <= (1 - SHARE) * len(known):
        for each in without:
            message = f"it has no {label}, as {len(known) - len(without)} of {len(known)} cases do"
            yield found(each.case.name, WARNING, code, message, each.case.reference)


def robust_z(values: Sequence[float], floor: float) -> list[float]:
    """Return how far each value lies from the median, in standard deviations estimated by the median deviation.

    Args:
        values: of a cohort; with fewer than five nothing is far.
        floor: the least deviation that is believed, so that a cohort of equal values does not make every other one far.

    Source: Iglewicz and Hoaglin 1993, "How to detect and handle outliers", the modified z-score.
    """
    if len(values) < FEWEST:
        return [0.0] * len(values)
    array = np.asarray(values, dtype=np.float64)
    distance = array - np.median(array)
    deviation = max(float(np.median(np.abs(distance))), floor)
    return [float(score) for score in NORMAL * distance / deviation]
