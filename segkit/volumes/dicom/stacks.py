"""Which planes make one volume: grouped by series, then by what cannot be one, ordered along their normal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from segkit.volumes.dicom.instances import TRAITS, Instance, Plane, Trait, hashed

SAME_COSINE = 1e-3  # scanners write direction cosines with three digits or more
SAME_PLACE = 5e-3  # mm: planes nearer than this are the same one, imaged again
SAME_SPACING = 1e-4  # relative
ENTANGLING = ("echo time", "b-value")  # no volume mixes these, even where slices of both make an even stack
EVEN_GAP = 0.05  # of the mean gap: a slice that lies further off its place is a fault ...
ROUNDING, FAR = 0.1, 0.2  # ... unless positions of one decimal explain it (mm); never beyond this share of the gap


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes that make one volume, or one picture.

    Attributes:
        planes: sorted along their normal.
        number: which volume of its series it is, from 1.
        of: how many volumes the series has.
        differs: what tells it from the others, e.g. `{"echo time": 4.92}`.
        repeated: copies of objects that were left out.
        faults: what makes it unusable, each one line; nothing where it can be read.
    """

    planes: tuple[Plane, ...]
    number: int = 1
    of: int = 1
    differs: Mapping[str, Trait] = field(default_factory=dict)
    repeated: int = 0
    faults: tuple[str, ...] = ()

    @property
    def first(self) -> Instance:
        """The object that holds the first plane."""
        return self.planes[0].instance

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture without a place in the patient."""
        return self.planes[0].frame.place is None

    @property
    def name(self) -> str:
        """A name that tells nothing of the patient: a hash of the SeriesInstanceUID, numbered in 4D series."""
        name = hashed(self.first.series_key)
        return name if self.of == 1 else f"{name}_{self.number}"


def normal_of(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return the unit normal of planes of one orientation; of a mosaic the direction of its slices."""
    place = planes[0].frame.place
    assert place is not None
    normal = place.normal
    return normal if place.step is None or float(np.dot(place.step, normal)) >= 0 else -normal


def along_normal(planes: Sequence[Plane]) -> NDArray[np.float64]:
    """Return where each plane lies along their normal, mm, shape (planes,)."""
    return np.array([plane.position for plane in planes]) @ normal_of(planes)


def is_even(planes: Sequence[Plane]) -> bool:
    """Tell whether planes lie once each, in steps of one length and direction."""
    if len(planes) < 2:
        return True
    ordered = in_order(planes)
    positions = np.array([plane.position for plane in ordered])
    gaps = np.diff(along_normal(ordered))
    if gaps.min() < SAME_PLACE:
        return False
    allowed = max(EVEN_GAP * gaps.mean(), min(ROUNDING, FAR * gaps.mean()))
    return bool(offsets_from_even(positions).max() <= allowed + 1e-6)


def offsets_from_even(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far in mm each position, shape (N, 3), lies from its place on an even line from first to last."""
    share = np.linspace(0, 1, len(positions))[:, None]
    return np.asarray(np.linalg.norm(positions - (positions[0] + share * (positions[-1] - positions[0])), axis=1))


def in_order(planes: Sequence[Plane]) -> list[Plane]:
    """Return planes sorted along their normal; those in the same place by time, number and name."""
    along = along_normal(planes)
    return [
        planes[index] for index in sorted(range(len(planes)), key=lambda index: (along[index], _when(planes[index])))
    ]


def _when(plane: Plane) -> tuple[Hashable, ...]:
    time, number = plane.trait("acquisition time"), plane.instance.number
    return (
        plane.instance.series_number or 0,
        time if isinstance(time, float) else 0.0,
        number if number is not None else 0,
        str(plane.instance.file),
        plane.frame.index,
    )


def stacks_of(instances: Iterable[Instance]) -> list[Stack]:
    """Group the planes of images into volumes.

    Args:
        instances: of any number of series, in any order; the repeated ones are left out before.

    Returns:
        every volume and picture, those of one series together, series in order of their number, then name.
    """
    by_series: dict[str, list[Instance]] = {}
    for instance in instances:
        by_series.setdefault(instance.series_key, []).append(instance)
    order = sorted(by_series.values(), key=lambda each: (min(one.series_number or 0 for one in each), each[0].series))
    return [stack for series in order for stack in _stacks_of_series(series)]


def _stacks_of_series(instances: Sequence[Instance]) -> list[Stack]:
    planes = [Plane(instance, frame) for instance in instances for frame in instance.frames]
    pictures = [[plane] for plane in planes if plane.frame.place is None]
    groups = _alike([plane for plane in planes if plane.frame.place is not None])
    found = [in_order(part) for group in groups for part in separated(group)] + pictures
    found.sort(key=lambda part: (_when(part[0])[0], min(_when(plane) for plane in part)))
    differing = _differences(found)
    return [
        Stack(tuple(part), number, len(found), differs)
        for number, (part, differs) in enumerate(zip(found, differing, strict=True), start=1)
    ]


def _alike(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Group planes by what no volume mixes: series number, kind, matrix, spacing, orientation, parts of image type."""
    groups: list[list[Plane]] = []
    by_key: dict[Hashable, list[list[Plane]]] = {}
    for plane in planes:
        candidates = by_key.setdefault(_hard_key(plane), [])
        group = next((group for group in candidates if _is_parallel(group[0], plane)), None)
        if group is None:
            group = []
            candidates.append(group)
            groups.append(group)
        group.append(plane)
    return groups


def _hard_key(plane: Plane) -> Hashable:
    one = plane.instance
    return (one.series_number, one.kind, one.modality, one.encoding.shape, one.encoding.samples, one.is_localizer)


def _is_parallel(one: Plane, other: Plane) -> bool:
    first, second = one.frame, other.frame
    assert first.place is not None
    assert second.place is not None
    assert first.spacing is not None
    assert second.spacing is not None
    if first.place.axes == second.place.axes and first.spacing == second.spacing:
        return True
    return bool(
        np.allclose(first.place.axes, second.place.axes, rtol=0, atol=SAME_COSINE)
        and np.allclose(first.spacing, second.spacing, rtol=SAME_SPACING, atol=0)
    )


def separated(planes: list[Plane]) -> list[list[Plane]]:
    """Divide parallel planes into volumes.

    Planes that lie once each in even steps are one volume, whatever else differs between them (scanners write a trigger
    time, an acquisition number or a time for every slice). Otherwise the first trait divides them that tells planes
    in the same place apart with no more values than volumes can be, or that leaves even volumes only; and where no
    trait does, they are dealt by time.
    """
    if len(planes) < 2:
        return [planes]
    if is_even(planes):
        return _disentangled(planes)
    places = _rounds(planes)
    traits = [_by(planes, lambda plane, trait=trait: plane.trait(trait)) for trait in TRAITS]  # type: ignore[misc]
    divisions = [groups for groups in (*traits, _by(planes, lambda plane: plane.instance.file)) if len(groups) > 1]
    dealt = _dealt(planes)
    groups = next((groups for groups in divisions if _divides(groups, places)), None)
    if groups is None and len(dealt) == 1:  # volumes that lie beside one another, or were not finished
        groups = next((groups for groups in divisions if _reduces(groups, places)), None)
    return dealt if groups is None else [part for group in groups for part in separated(group)]


def _disentangled(planes: list[Plane]) -> list[list[Plane]]:
    """Return even planes as one volume, or as several whose slices alternate: two echoes, half a gap apart."""
    for trait in ENTANGLING:
        groups = _by(planes, lambda plane, trait=trait: plane.trait(trait))  # type: ignore[misc]
        if len(groups) > 1 and all(len(group) > 2 and is_even(group) for group in groups) and _overlap(groups):
            return groups
    return [planes]


def _overlap(groups: Sequence[Sequence[Plane]]) -> bool:
    """Tell whether groups of planes reach into one another along their normal; slabs one after the other do not."""
    normal = normal_of(groups[0])
    spans = sorted(
        (min(along), max(along)) for along in ([plane.position @ normal for plane in each] for each in groups)
    )
    return any(following[0] < before[1] for before, following in pairwise(spans))


def _by(planes: Sequence[Plane], key: Callable[[Plane], Hashable]) -> list[list[Plane]]:
    groups: dict[Hashable, list[Plane]] = {}
    for plane in planes:
        groups.setdefault(key(plane), []).append(plane)
    return list(groups.values())


def _divides(groups: Sequence[Sequence[Plane]], places: Sequence[Sequence[Plane]]) -> bool:
    """Tell whether groups of planes are volumes, or nearer to being such.

    There are never more volumes than planes in the fullest place: a trait with more values changes from slice to slice
    too, as the trigger time of every plane of a GE functional scan does.
    """
    most = max(map(len, places))
    if most == 1:
        return all(len(group) > 2 and is_even(group) for group in groups)  # two are always even
    return len(groups) <= most and sum(map(_repeats, groups)) < sum(map(len, places)) - len(places)


def _reduces(groups: Sequence[Sequence[Plane]], places: Sequence[Sequence[Plane]]) -> bool:
    """Tell whether groups leave fewer planes in the same place, and are more than single slices."""
    left = sum(map(_repeats, groups))
    return left < sum(map(len, places)) - len(places) and any(len(_rounds(group)) > 1 for group in groups)


def _rounds(planes: Sequence[Plane]) -> list[list[Plane]]:
    """Return the planes by place, places along the normal."""
    ordered = in_order(planes)
    places: list[list[Plane]] = []
    last = -np.inf
    for plane, along in zip(ordered, along_normal(ordered), strict=True):
        if along - last >= SAME_PLACE:
            places.append([])
            last = along
        places[-1].append(plane)
    return places


def _repeats(planes: Sequence[Plane]) -> int:
    """Return how many planes lie where another one lies already."""
    return len(planes) - len(_rounds(planes))


def _dealt(planes: list[Plane]) -> list[list[Plane]]:
    """Return the n-th plane of each place as the n-th volume; or one, refused later, where places differ in number."""
    places = _rounds(planes)
    if len({len(place) for place in places}) > 1:
        return [planes]
    return [list(turn) for turn in zip(*places, strict=True)]


def _differences(parts: Sequence[Sequence[Plane]]) -> list[dict[str, Trait]]:
    """Return for each volume of a series what is the same all through it and tells it from others."""
    constant = [{**_shape(part[0]), **_constant_traits(part)} for part in parts]
    counts = Counter((trait, value) for traits in constant for trait, value in traits.items())
    return [
        {trait: value for trait, value in traits.items() if value is not None and counts[trait, value] < len(parts)}
        for traits in constant
    ]


def _constant_traits(part: Sequence[Plane]) -> dict[str, Trait]:
    values = {trait: {plane.trait(trait) for plane in part} for trait in TRAITS}
    return {trait: next(iter(each)) for trait, each in values.items() if len(each) == 1}


def _shape(plane: Plane) -> dict[str, Trait]:
    one, place, spacing = plane.instance, plane.frame.place, plane.frame.spacing
    return {
        "series number": one.series_number,
        "matrix": " x ".join(map(str, one.encoding.shape)),
        "orientation": None if place is None else " ".join(f"{cosine + 0.0:.3f}" for cosine in place.axes),
        "pixel spacing": None if spacing is None else " x ".join(f"{millimetres:.4g}" for millimetres in spacing),
        "kind": one.kind,
    }
