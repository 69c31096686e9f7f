"""Cases beside each other: the same image twice, and what is far from all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path

import numpy as np

from segkit.config.channels import Channel
from segkit.datasets.soundness.cases import Examination, mirrored_reference
from segkit.datasets.soundness.findings import WARNING, Finding, found, unusable
from segkit.datasets.soundness.mirrored import BETTER
from segkit.datasets.soundness.outliers import Measure
from segkit.datasets.soundness.voxels import LEVELS
from segkit.foundation.hashing import file_hash
from segkit.foundation.suggestions import some_of

NEEDED = 10  # cases, from which on what nearly all have in common is a rule
RARE = 0.1  # of the cases: what as many lack is no oddity
LOW, MIDDLE, HIGH = range(len(LEVELS))
WORLD = ("left-right", "posterior-anterior", "inferior-superior")


def compare(examined: Sequence[Examination], channels: Mapping[str, Channel], outlier: float) -> Iterator[Finding]:
    """Yield what is wrong between cases.

    Args:
        examined: every case.
        channels: of the data set; their families say how intensities compare.
        outlier: robust z beyond which a value is reported.
    """
    yield from duplicates(examined)
    yield from alike_names(examined)
    # What is unusable is reported already, and would only blur what the others have in common.
    seen = [each for each in examined if each.measurements.shape and not unusable(each.findings)]
    yield from far_off(seen, "spacing-outlier", SPACINGS, outlier)
    yield from far_off(seen, "size-outlier", SIZES, outlier)
    for name, channel in channels.items():
        yield from scales(seen, name, channel.family, outlier)
    yield from label_volumes(seen, outlier)
    yield from mirrored(seen)


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


def alike_names(examined: Sequence[Examination]) -> Iterator[Finding]:
    """Yield a finding for each case whose name differs from an earlier one's in capitals alone."""
    first: dict[str, str] = {}
    for name in sorted(each.case.name for each in examined):
        other = first.setdefault(name.casefold(), name)
        if other != name:
            message = f"its name and {other} differ in capitals alone: on some disks one mask replaces the other"
            yield found(name, WARNING, "alike-names", message)


def along_axes(unit: str, values: Callable[[Examination], Sequence[float]], floor: float) -> list[Measure]:
    """Return how what a case has of each axis of the world is compared.

    Args:
        unit: of the values.
        values: of a case, one per axis of `WORLD`.
        floor: as `Measure`'s.
    """

    def along(each: Examination, axis: int) -> float:
        return values(each)[axis]

    return [Measure(f"{unit} {name}", partial(along, axis=axis), floor) for axis, name in enumerate(WORLD)]


SPACINGS = along_axes("mm", attrgetter("measurements.spacing"), floor=0.04)  # a factor of 1.4 where others are equal
SIZES = along_axes("voxels", attrgetter("measurements.shape"), floor=0.1)  # a factor of 2.4


def intensities(channel: str, family: str) -> list[Measure]:
    """Return how a channel is compared: how far its levels span, and where they lie.

    A CT has a scale, Hounsfield units, that nobody may change. Others are normalised case by case; what stands out
    among them is a span many times that of the others, or a level beyond anything that their spans explain.
    """

    def span(each: Examination) -> float | None:
        shown = each.measurements.intensities.get(channel)
        return shown[HIGH] - shown[LOW] if shown else None

    def level(each: Examination) -> float | None:
        shown = each.measurements.intensities.get(channel)
        return shown[MIDDLE] / (shown[HIGH] - shown[LOW]) if shown and shown[HIGH] > shown[LOW] else None

    def percentile(each: Examination, place: int) -> float | None:
        shown = each.measurements.intensities.get(channel)
        return shown[place] if shown else None

    from_to = f"from the {LEVELS[LOW]:g}st to the {LEVELS[HIGH]:g}th percentile of {channel}"
    path = _image_of(channel)
    if family != "ct":
        return [
            Measure(from_to, span, floor=0.5, file=path),  # a factor of 85
            Measure(f"spans between zero and the median of {channel}", level, floor=0.5, is_ratio=False, file=path),
        ]
    return [
        Measure(from_to, span, floor=0.25, file=path),  # a factor of 9
        *(
            Measure(
                f"HU at the {LEVELS[place]:g}. percentile of {channel}",
                partial(percentile, place=place),
                floor=100.0,  # 890 HU: raw values are 1024 off
                is_ratio=False,
                file=path,
            )
            for place in (LOW, MIDDLE, HIGH)
        ),
    ]


def _image_of(channel: str) -> Callable[[Examination], object]:
    return lambda each: each.case.images[channel]


def far_off(
    examined: Sequence[Examination], code: str, measures: Sequence[Measure], outlier: float
) -> Iterator[Finding]:
    """Yield one finding for each case that is far from the cohort by any of some measures: the one by which it is most.

    Args:
        examined: the cohort.
        code: of the findings.
        measures: each is compared on its own.
        outlier: robust z beyond which a value is reported.
    """
    worst: dict[str, tuple[float, Finding]] = {}
    for measure in measures:
        for each, value, middle, score in measure.scores(examined):
            if abs(score) > max(outlier, worst.get(each.case.name, (0.0,))[0]):
                message = f"{value:.4g} {measure.what} among a median of {middle:.4g} (robust z {score:.1f})"
                finding = found(each.case.name, WARNING, code, message, measure.file(each))
                worst[each.case.name] = (abs(score), finding)
    yield from (finding for _, finding in worst.values())


def scales(examined: Sequence[Examination], channel: str, family: str, outlier: float) -> Iterator[Finding]:
    """Yield a finding for each case whose intensities are far off; or one for all, where many cases are.

    Then the cases have no scale in common, as MR images of several scanners, and none of them is odd.
    """
    odd = list(far_off(examined, "intensity-outlier", intensities(channel, family), outlier))
    if len(examined) < NEEDED or len(odd) <= max(1.0, RARE * len(examined)):
        yield from odd
        return
    names = some_of([finding.case for finding in odd])
    message = f"{channel} has no scale in common: {len(odd)} of {len(examined)} cases are far from the others ({names})"
    yield found("", WARNING, "intensity-outlier", message)


def volume_of(examined: Examination, name: str) -> float | None:
    """Return the volume of a label in ml, None where a case has no reference."""
    return examined.measurements.volumes.get(name)


def label_volumes(examined: Sequence[Examination], outlier: float) -> Iterator[Finding]:
    """Yield a finding for each case with far more or less of a label than others, or none where nearly all have it."""
    labelled = [each for each in examined if any(each.measurements.volumes.values())]
    names = list(dict.fromkeys(name for each in labelled for name in each.measurements.volumes))
    # Where the spacing is odd, so is every volume, and that is said already.
    odd = {finding.case for finding in far_off(examined, "spacing-outlier", SPACINGS, outlier)}
    measures = [
        Measure(
            f"ml of {name}",
            partial(volume_of, name=name),
            floor=0.15,  # a factor of 3.8
            file=lambda each: each.case.reference,
        )
        for name in names
    ]
    plain = [each for each in labelled if each.case.name not in odd]
    yield from far_off(plain, "label-volume-outlier", measures, outlier)
    for name in names:
        without = [each for each in labelled if not each.measurements.volumes.get(name)]
        if len(labelled) >= NEEDED and len(without) <= RARE * len(labelled):
            for each in without:
                message = f"it has no {name}, as {len(labelled) - len(without)} of {len(labelled)} cases do"
                yield found(each.case.name, WARNING, "label-volume-outlier", message, each.case.reference)


def mirrored(examined: Sequence[Examination]) -> Iterator[Finding]:
    """Yield a finding for each reference that fits better mirrored where nearly all others clearly do not.

    Those that are beyond doubt by themselves were found already, whatever the others look like. A mirrored reference
    fits as much better as a sound one fits worse, so the cohort says how much is enough.
    """
    known = [(each.case, each.measurements.mirroring) for each in examined if each.measurements.mirroring]
    if len(known) < NEEDED:
        return
    usual = float(np.quantile([mirroring.ratio for _, mirroring in known], 1 - RARE, method="lower"))
    for case, mirroring in known:
        if usual * mirroring.ratio > 1 and usual * BETTER < 1 and not mirroring.is_certain:
            yield mirrored_reference(case, mirroring)
