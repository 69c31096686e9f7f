from collections import Counter

import pytest

from segkit.evaluation.shapes.cubes import CORNERS, KINDS, triangles_of


def crossed_edges(number: int) -> set[tuple[int, ...]]:
    inside = {corner for bit, corner in enumerate(CORNERS) if number >> bit & 1}
    pairs = [(a, b) for a in CORNERS for b in CORNERS if a < b and sum(map(abs, map(int.__sub__, a, b))) == 1]
    return {tuple(map(sum, zip(a, b, strict=True))) for a, b in pairs if (a in inside) != (b in inside)}


@pytest.mark.parametrize("number", range(KINDS))
def test_the_surface_of_a_cube_meets_every_crossed_edge_and_ends_on_its_faces(number):
    triangles = triangles_of(number)
    assert {vertex for triangle in triangles for vertex in triangle} == crossed_edges(number)
    sides = Counter(side for a, b, c in triangles for side in ((a, b), (b, c), (c, a)))
    assert set(sides.values()) <= {1}
    rims = [(a, b) for a, b in sides if (b, a) not in sides]
    assert all(any(p == q != 1 for p, q in zip(a, b, strict=True)) for a, b in rims)  # both ends on one face
    assert sorted(a for a, _ in rims) == sorted(b for _, b in rims)


def test_empty_and_full_cubes_have_no_surface_and_complements_share_theirs():
    assert triangles_of(0) == triangles_of(KINDS - 1) == ()
    for number in range(KINDS):
        turned = {tuple(reversed(triangle)) for triangle in triangles_of(KINDS - 1 - number)}
        assert turned == set(triangles_of(number))
