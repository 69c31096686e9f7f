"""Rules applied to a mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.rules import Rule, Rules
from segkit.postprocessing.components import components_from, largest_component
from segkit.postprocessing.holes import holes_of
from segkit.volumes.boxes import Box, occupied_box

ROUNDING = 1e-9


@dataclass(frozen=True)
class Written:
    """How a label stands in a mask.

    Attributes:
        members: values of the voxels that belong to it; of a region several.
        value: what it writes.
        below: what shows where it is taken away: the region that holds it, else the background.
        background: the value of that.
    """

    members: tuple[int, ...]
    value: int
    below: int
    background: int


@dataclass(frozen=True, eq=False)
class Part:
    """A label within its bounding box.

    Attributes:
        box: in the mask.
        inside: the voxels of the label there.
    """

    box: Box
    inside: NDArray[np.bool_]


def apply_rules(values: NDArray[np.integer], rules: Rules, labels: Labels, voxel_mm3: float) -> NDArray[np.integer]:
    """Remove components and fill holes, as rules say.

    First components go, label after label in the order declared, then holes are filled: where a speck of tumour is
    taken out of a liver, the liver closes over it. Of one label with both, `keep_largest` comes before `smallest_mm3`.

    Where labels are regions, a rule acts on all voxels of the region, of whatever value: the largest component of
    `whole: [1, 2, 3]` is that of the union, and outside of it nothing is left of the regions within. A voxel that
    leaves a region goes to the smallest region that holds all its values, and only without one to the background:
    `core` taken off leaves `whole`. Likewise a hole of `core` shows `whole` or background, and `core` encloses it.

    Beside the copy it takes one byte for each voxel, and eight for each voxel of a label's box, one label at a time.

    Args:
        values: of a mask, shape (X, Y[, Z]).
        rules: by label.
        labels: what the values mean.
        voxel_mm3: volume of a voxel.

    Returns:
        `values` itself where there are no rules, else a new array of its type.
    """
    if not any(rules.get(name, Rule()) != Rule() for name in labels.foreground):
        return values
    values = values.copy(order="K")
    for name in labels.foreground:
        remove_components(values, rules.get(name, Rule()), written(labels, name), voxel_mm3)
    for name in labels.foreground:
        if rules.get(name, Rule()).fill_holes:
            fill_holes(values, written(labels, name))
    return values


def remove_components(values: NDArray[np.integer], rule: Rule, label: Written, voxel_mm3: float) -> None:
    """Remove what a rule does not keep of a label, in place."""
    part = part_of(values, label.members) if rule.removes else None
    if part is None:
        return
    kept = largest_component(part.inside) if rule.keep_largest else part.inside
    if rule.smallest_mm3:
        kept = components_from(kept, least_voxels(rule.smallest_mm3, voxel_mm3))
    if kept is not part.inside:
        values[part.box][part.inside & ~kept] = label.below


def least_voxels(smallest_mm3: float, voxel_mm3: float) -> float:
    """Return from how many voxels on a component stays: one of just that volume does, however the division rounds."""
    return smallest_mm3 / voxel_mm3 * (1 - ROUNDING)


def fill_holes(values: NDArray[np.integer], label: Written) -> None:
    """Fill the holes of a label, in place; a hole at the border of the volume is open."""
    part = part_of(values, label.members)
    if part is None:
        return
    holes = holes_in(values, part, label)
    if holes is not None:
        values[part.box][holes] = label.value


def holes_in(values: NDArray[np.integer], part: Part, label: Written) -> NDArray[np.bool_] | None:
    """Return the holes of a label within its box, None where there are none."""
    free = values[part.box] == label.below
    if label.below != label.background:
        free |= values[part.box] == label.background
    return holes_of(part.inside, free, [axis for axis, size in enumerate(values.shape) if size > 1])


def part_of(values: NDArray[np.integer], members: Sequence[int]) -> Part | None:
    """Return the voxels of some values within their bounding box; None where there are none."""
    inside = values == members[0]
    for member in members[1:]:
        inside |= values == member
    box = occupied_box(inside)
    return None if box is None else Part(box, np.ascontiguousarray(inside[box]))


def written(labels: Labels, name: str) -> Written:
    """Return how a label stands in masks."""
    members = labels.members[name]
    background, *values = labels.mask_values
    value_of = dict(zip(labels.foreground, values, strict=True))
    holders = [other for other in labels.foreground if set(labels.members[other]) > set(members)]
    below = value_of[min(holders, key=lambda other: len(labels.members[other]))] if holders else background
    return Written(members, value_of[name], below, background)
