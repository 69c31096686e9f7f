"""A plane of pixels turned into closed polygons that fill exactly these pixels, with few corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Whoever follows a border with the inside on the left passes between neighbours, one inside and one outside. These
# steps (x, y) lead from the one inside to the one outside, for each of four headings, each a quarter turn to the left
# of the one before: up, left, down, right.
OUTWARD = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
UP, DOWN = 0, 2  # headings at which the neighbour outside has the larger x, the smaller x
# Corners lie half a pixel from the centres beside them. Edges keep this much, in pixels along each gap, from every
# centre that they pass: so they leave the border by 0.35 at most, decimals and another reader's rounding move no pixel
# to the other side, and round shapes of 16 pixels and more keep their area within 0.4%.
MARGIN = 0.15
Link = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Border:
    """The borders of a mask, as the gaps between neighbours that they pass through.

    Attributes:
        inside: the neighbour inside, shape (N, 2), whole pixels.
        heading: index into `OUTWARD`, shape (N,).
        following: index of the gap that comes next, shape (N,).
    """

    inside: NDArray[np.int64]
    heading: NDArray[np.int64]
    following: NDArray[np.int64]

    @property
    def middles(self) -> NDArray[np.float64]:
        """Half way between the neighbours, shape (N, 2)."""
        return self.inside + 0.5 * OUTWARD[self.heading]


def contours_of(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Return closed polygons whose inside holds the centres of exactly the pixels of a mask.

    Args:
        mask: shape (X, Y).

    Returns:
        corners of each polygon, shape (N, 2), as (x, y) in index coordinates: pixel (i, j) has its centre at x = i,
        y = j. The last corner is joined to the first. Pixels that touch at a corner are one region. A hole is part of
        the polygon around it, by a channel that leads there and back along a row (a keyhole); no two polygons overlap.
        Edges lie within 0.35 pixels of the middle between inside and outside, and clear of all centres but a
        channel's.

    Source:
        DICOM PS3.3, C.8.8.6.3 (keyholes).
    """
    border = border_of(mask)
    following = border.following.tolist()
    links = channels(border, loops_of(following), mask)
    places = linked(following, links)
    fixed = {place for link in links for place in link}
    middles, inner = border.middles, border.inside.astype(np.float64)
    polygons = []
    for loop in loops_of(following):
        order = np.array([places[place] for place in loop])
        is_fixed = [place in fixed for place in order.tolist()]
        kept = corners_kept(middles[order], inner[order], is_fixed)
        polygons.append(middles[order[kept]])
    return polygons


def border_of(mask: NDArray[np.bool_]) -> Border:
    """Return the borders of a mask, shape (X, Y); beyond its edges everything is outside."""
    within = np.pad(mask, 1)
    flat, width = within.ravel(), within.shape[1]
    outward = OUTWARD @ (width, 1)
    ahead = np.roll(outward, -1)  # a quarter turn to the left of outward
    inside = np.flatnonzero(flat)
    is_edge = ~flat[inside[:, None] + outward]
    pixels, heading = np.nonzero(is_edge)
    inside = inside[pixels]
    key = 4 * inside + heading
    # In the square of four centres that the border enters: to the right round the neighbour outside where what lies
    # ahead of it is inside, straight on between both, or to the left round the neighbour inside.
    right, straight = inside + outward[heading] + ahead[heading], inside + ahead[heading]
    turned_right, turned_left = 4 * right + (heading - 1) % 4, 4 * inside + (heading + 1) % 4
    following = np.where(flat[right], turned_right, np.where(flat[straight], 4 * straight + heading, turned_left))
    places = np.stack(np.divmod(inside, width), axis=1) - 1
    return Border(places, heading, np.searchsorted(key, following))


def loops_of(following: Sequence[int]) -> list[list[int]]:
    """Return the closed loops of a sequence of pointers, each of which leads to another place."""
    loops = []
    is_seen = bytearray(len(following))
    for start in range(len(following)):
        if is_seen[start]:
            continue
        loop, place = [], start
        while not is_seen[place]:
            is_seen[place] = 1
            loop.append(place)
            place = following[place]
        loops.append(loop)
    return loops


def channels(border: Border, loops: Sequence[Sequence[int]], mask: NDArray[np.bool_]) -> list[Link]:
    """Return for each hole the gaps between which a channel leads through the mask.

    Returns:
        pairs: on the border to the left of the hole, in the same row and of the same region; on the hole's own border,
        where it reaches furthest left. Following such pairs from hole to hole always ends at the border around all.
    """
    middles = border.middles
    downs = np.flatnonzero(border.heading == DOWN)
    beside = dict(zip(map(tuple, border.inside[downs].tolist()), downs.tolist(), strict=True))
    links = []
    for loop in loops:
        x, y = middles[loop].T
        if x @ np.roll(y, -1) - np.roll(x, -1) @ y > 0:
            continue  # a border around a region has it on its left, and runs counterclockwise; a hole's does not
        ups = [place for place in loop if border.heading[place] == UP]
        hole = min(ups, key=lambda place: int(border.inside[place, 0]))
        column, row = border.inside[hole].tolist()
        first = int(np.flatnonzero(~np.pad(mask[:column, row], (1, 0)))[-1])  # of the run of pixels that ends here
        links.append((beside[first, row], hole))
    return links


def linked(following: list[int], links: Sequence[Link]) -> list[int]:
    """Lead a border through channels to its holes and back.

    Args:
        following: pointers, changed in place and lengthened by two for each channel: both of its ends are passed twice.
        links: as `channels` returns them.

    Returns:
        for each pointer the place that it stands for.
    """
    places = list(range(len(following)))
    for outer, hole in links:
        entry, back = len(places), len(places) + 1
        places += [hole, outer]
        following += [following[hole], following[outer]]
        following[outer], following[hole] = entry, back
    return places


def corners_kept(middles: NDArray[np.float64], inside: NDArray[np.float64], is_fixed: Sequence[bool]) -> list[int]:
    """Choose corners of a closed border so that the straight edges between them pass through every gap on the way.

    Args:
        middles: of the gaps in their order, shape (N, 2).
        inside: centres on the left, shape (N, 2); those on the right lie as far beyond the middle.
        is_fixed: which places stay corners; the first one always does.

    Returns:
        places that stay, rising, at least three. From each the next is the furthest that is reached directly.

    Source:
        Imai and Iri 1988, Computational Morphology, "Polygonal approximations of a curve": the cone of directions that
        pass all gaps so far.
    """
    # As plain numbers, since this goes gap by gap: they are read three times as fast as an array's.
    spots = [*map(tuple, middles.tolist()), tuple(middles[0].tolist())]
    reach = (inside - middles) * (1 - 2 * MARGIN)
    lefts, rights = (middles + reach).tolist(), (middles - reach).tolist()
    kept, place = [], 0
    while place < len(middles):
        kept.append(place)
        place = _furthest(place, spots, lefts, rights, is_fixed)
    return kept


def _furthest(
    place: int,
    spots: Sequence[Sequence[float]],
    lefts: Sequence[Sequence[float]],
    rights: Sequence[Sequence[float]],
    is_fixed: Sequence[bool],
) -> int:
    """Return the furthest place, at most the next fixed one or the end, that a straight edge reaches through all gaps.

    Args:
        place: where the edge begins.
        spots: middles of the gaps, the first one again at the end.
        lefts: how far each gap is open to the left.
        rights: the same to the right.
        is_fixed: where an edge must end.
    """
    x, y = spots[place]
    best = place + 1
    left_x, left_y, right_x, right_y = 0.0, 0.0, 0.0, 0.0
    for target in range(place + 1, len(spots)):
        to_x, to_y = spots[target][0] - x, spots[target][1] - y
        if to_x * left_y >= to_y * left_x and right_x * to_y >= right_y * to_x:
            best = target
        if target == len(lefts) or is_fixed[target]:
            break
        near_x, near_y = lefts[target][0] - x, lefts[target][1] - y
        far_x, far_y = rights[target][0] - x, rights[target][1] - y
        if far_x * near_y <= far_y * near_x:
            break  # the border has turned back
        if target == place + 1 or near_x * left_y > near_y * left_x:
            left_x, left_y = near_x, near_y
        if target == place + 1 or right_x * far_y > right_y * far_x:
            right_x, right_y = far_x, far_y
        if right_x * left_y <= right_y * left_x:
            break
    return best
