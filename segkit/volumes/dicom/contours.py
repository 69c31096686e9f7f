"""A plane of pixels turned into closed polygons that fill exactly these pixels, with few corners."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Whoever follows a border with the inside on the left passes between neighbours, one inside and one outside. These
# steps (x, y) lead from the one inside to the one outside, for each of four headings, each a quarter turn to the left
# of the one before: up, left, down, right.
OUTWARD = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])
DOWN = 2  # the heading at which the neighbour outside has the smaller x
# Corners lie half a pixel from the centres beside them. Edges keep this much, in pixels along each gap, from every
# centre that they pass: so they leave the border by 0.35 at most, decimals and another reader's rounding move no pixel
# to the other side, and round shapes of 16 pixels and more keep their area within 0.4%.
MARGIN = 0.15
Link = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Border:
    """The borders of a mask, as the gaps between neighbours that they pass through.

    Attributes:
        inside: the neighbour inside, shape (N, 2), whole pixels; sorted by x, then y.
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
    gaps, middles = gaps_of(border), border.middles
    routes = [[places[place] for place in loop] for loop in loops_of(following)]
    return [middles[corners_kept(route, gaps, fixed)] for route in routes]


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

    Args:
        border: of the mask, its gaps sorted by x of the pixel inside.
        loops: its parts, each beginning with its first gap.
        mask: shape (X, Y).

    Returns:
        pairs: on the border to the left of the hole, in the same row and of the same region; on the hole's own border,
        where it reaches furthest left. Following such pairs from hole to hole always ends at the border around all.
    """
    columns, headings = border.inside[:, 0].tolist(), border.heading.tolist()
    downs = np.flatnonzero(border.heading == DOWN)
    beside = dict(zip(map(tuple, border.inside[downs].tolist()), downs.tolist(), strict=True))
    links = []
    for loop in loops:
        hole = loop[0]
        # Where the border around a region reaches furthest left it leads down; around a hole it leads up there.
        if any(columns[place] == columns[hole] and headings[place] == DOWN for place in loop):
            continue
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


@dataclass(frozen=True)
class Gaps:
    """Gaps as plain numbers, which loops read three times as fast as an array's: one for each gap.

    Attributes:
        x: of the middle.
        y: of the middle.
        left_x: of the place up to which the gap is open on its left, inside.
        left_y: of the same.
        right_x: of the place up to which it is open on its right, outside.
        right_y: of the same.
    """

    x: list[float]
    y: list[float]
    left_x: list[float]
    left_y: list[float]
    right_x: list[float]
    right_y: list[float]


def gaps_of(border: Border) -> Gaps:
    """Return the gaps of a border, each open up to `MARGIN` before the centres on both sides."""
    middles = border.middles
    reach = (border.inside - middles) * (1 - 2 * MARGIN)
    return Gaps(*(each for places in (middles, middles + reach, middles - reach) for each in places.T.tolist()))


def corners_kept(route: list[int], gaps: Gaps, fixed: Collection[int]) -> list[int]:
    """Choose corners of a closed border so that the straight edges between them pass through every gap on the way.

    Args:
        route: the gaps in their order; the first one stays a corner.
        gaps: where they are.
        fixed: those that stay corners too.

    Returns:
        the gaps whose middles are corners, in their order, at least three. From each the next is the furthest that is
        reached directly.

    Source:
        Imai and Iri 1988, Computational Morphology, "Polygonal approximations of a curve": the cone of directions that
        pass all gaps so far.
    """
    closed = [*route, route[0]]
    is_end = [place in fixed for place in route] + [True]
    kept, at = [], 0
    while at < len(route):
        kept.append(route[at])
        at = _furthest(at, closed, gaps, is_end)
    return kept


def _furthest(at: int, route: Sequence[int], gaps: Gaps, is_end: Sequence[bool]) -> int:
    """Return how far along a route a straight edge leads through all gaps, at most to the next end.

    Args:
        at: index into `route` where the edge begins.
        route: gaps in their order.
        gaps: where they are.
        is_end: for each place of `route`, whether an edge must end there.
    """
    x, y, best = gaps.x[route[at]], gaps.y[route[at]], at + 1
    left_x, left_y, right_x, right_y = 0.0, 0.0, 0.0, 0.0  # the cone of directions that is still open
    for ahead in range(at + 1, len(route)):
        place = route[ahead]
        to_x, to_y = gaps.x[place] - x, gaps.y[place] - y
        if to_x * left_y >= to_y * left_x and right_x * to_y >= right_y * to_x:
            best = ahead
        if is_end[ahead]:
            break
        near_x, near_y = gaps.left_x[place] - x, gaps.left_y[place] - y
        far_x, far_y = gaps.right_x[place] - x, gaps.right_y[place] - y
        if far_x * near_y <= far_y * near_x:
            break  # the border has turned back
        if ahead == at + 1 or near_x * left_y > near_y * left_x:
            left_x, left_y = near_x, near_y
        if ahead == at + 1 or right_x * far_y > right_y * far_x:
            right_x, right_y = far_x, far_y
        if right_x * left_y <= right_y * left_x:
            break
    return best
