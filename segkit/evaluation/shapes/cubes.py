"""Marching cubes at half height: the triangles that part the inside corners of a cube from the others.

A cube has 8 voxel centres as corners; its surface runs through the middles of the edges whose ends differ. On a face
where inside and outside corners lie crosswise, the surface cuts off either the two inside ones or the two outside ones.
PyRadiomics' cubes cut off those unlike the corner `DECIDES`, and so do these, since figures are compared across tools.
Two cubes that share such a face may therefore part it differently, and the surface has a small hole there. How folded
parts are cut into triangles depends on the axes' directions too, where voxels are no cubes. So area and volume of the
surface may change by some tenths of a percent when a mask is mirrored; they do not where voxels are cubes and no face
is crosswise.

Source: Lorensen and Cline 1987, SIGGRAPH Computer Graphics 21(4), "Marching cubes"; van Griethuysen et al. 2017, Cancer
Research 77(21), "Computational radiomics system to decode the radiographic phenotype".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise, product

Corner = tuple[int, ...]  # of a cube: 0 or 1 along each axis
Vertex = tuple[int, ...]  # the middle of an edge, in half voxels from corner (0, 0, 0): 0, 1 or 2 along each axis
Triangle = tuple[Vertex, Vertex, Vertex]

CORNERS: tuple[Corner, ...] = tuple(product((0, 1), repeat=3))  # the corner of bit n of a cube's number
KINDS = 1 << len(CORNERS)
DECIDES = CORNERS.index((0, 1, 1))

# The surface in a cube is bordered by loops whose sides lie in its faces. A loop is told by its word: how many inside
# corners each side parts off. Loops of these words are not flat and are cut into a fan around the vertex before the
# first side; twisted ones are cut off at every other vertex. However the others are cut, their surface is the same.
FANS = frozenset({"13122", "22313", "3123213", "313313"})
TWISTED = frozenset({"231231", "213213"})
# A twisted loop offers two cuts, equal where voxels are cubes. PyRadiomics' choice, by the cube's number: the axis of
# the edge where the first side begins. In one cube it mirrors a fan.
TWISTED_BEGINS = {39: 0, 177: 0, 209: 0, 228: 0, 83: 1, 114: 1, 163: 1, 197: 1, 53: 2, 71: 2, 116: 2, 226: 2}
MIRRORED_FAN = {54: {"13122": "22131"}}


def triangles_of(number: int) -> tuple[Triangle, ...]:
    """Return the surface within one cube.

    Args:
        number: bit n is set where corner `CORNERS[n]` is inside.

    Returns:
        Triangles whose corners run counter-clockwise seen from outside the mask.
    """
    if number >> DECIDES & 1:
        return _turned(triangles_of(KINDS - 1 - number))
    return _triangles_around(number)


def separated_triangles_of(number: int) -> tuple[Triangle, ...]:
    """Return the surface within one cube, where the fewer corners are cut off, be they inside or outside.

    So that the area does not change when a mask is mirrored, turned, or exchanged for its complement: the choice of
    DeepMind's `surface-distance`.

    Args:
        number: bit n is set where corner `CORNERS[n]` is inside.

    Returns:
        Triangles whose corners run counter-clockwise seen from outside the mask.
    """
    if (count := number.bit_count()) == len(CORNERS) // 2:
        return triangles_of(number)
    if count > len(CORNERS) // 2:
        return _turned(separated_triangles_of(KINDS - 1 - number))
    return _triangles_around(number)


def _triangles_around(number: int) -> tuple[Triangle, ...]:
    """Return the surface that cuts off each inside corner of a crosswise face on its own."""
    inside = {corner for bit, corner in enumerate(CORNERS) if number >> bit & 1}
    return _turned(triangle for loop, word in _loops(inside) for triangle in _cut(loop, word, number))


def _turned(triangles: Iterable[Triangle]) -> tuple[Triangle, ...]:
    return tuple((third, second, first) for first, second, third in triangles)


def _face(axis: int, side: int) -> tuple[Corner, ...]:
    """Return the corners of one face, counter-clockwise seen from outside the cube."""
    across, up = (axis + 1) % 3, (axis + 2) % 3
    places = [{axis: side, across: u, up: v} for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
    corners = [(place[0], place[1], place[2]) for place in places]
    return tuple(corners if side else reversed(corners))


FACES = tuple(_face(axis, side) for axis in range(3) for side in (0, 1))


def _sides(inside: set[Corner]) -> dict[Vertex, tuple[Vertex, int]]:
    """Return for each vertex the next one along its loop, and how many inside corners the side between them parts off.

    Every unbroken row of inside corners around a face is parted off by one side. Loops run clockwise seen from outside.
    """
    following = {}
    for face in FACES:
        flags = [corner in inside for corner in face]
        for first in range(len(face)):
            if flags[first] and not flags[first - 1]:
                count = next(count for count in range(1, len(face)) if not flags[(first + count) % len(face)])
                last, beyond = face[(first + count - 1) % len(face)], face[(first + count) % len(face)]
                following[_middle(last, beyond)] = (_middle(face[first - 1], face[first]), count)
    return following


def _middle(one: Corner, other: Corner) -> Vertex:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _loops(inside: set[Corner]) -> Iterator[tuple[list[Vertex], str]]:
    """Yield the vertices of each loop and its word."""
    following = _sides(inside)
    while following:
        vertex, loop, word = next(iter(following)), [], ""
        while vertex in following:
            loop.append(vertex)
            vertex, count = following.pop(vertex)
            word += str(count)
        yield loop, word


def _cut(loop: list[Vertex], word: str, number: int) -> Iterator[Triangle]:
    """Yield the triangles of one loop of the cube `number`."""
    fans = {MIRRORED_FAN.get(number, {}).get(fan, fan) for fan in FANS}
    for shift in range(len(loop)):
        turned, turned_word = loop[shift:] + loop[:shift], word[shift:] + word[:shift]
        if turned_word in TWISTED and turned[0][TWISTED_BEGINS[number]] == 1:
            for ear in (0, 2, 4):
                yield turned[ear], turned[ear + 1], turned[(ear + 2) % len(loop)]
            loop = turned[::2]
            break
        if turned_word in fans:
            loop = turned
            break
    for second, third in pairwise(loop[1:]):
        yield loop[0], second, third
