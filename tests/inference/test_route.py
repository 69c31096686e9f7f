import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.inference.route import parts, route_across, route_through
from segkit.preparation.grids import orthogonal, reoriented, respaced
from segkit.volumes.grid import Grid, affine_from

SCAN = Grid((20, 24, 10), affine_from((0.8, 0.8, 3.0), (-5, 7, 11)))


@given(st.sampled_from(["RAS", "PIR", "LPS", "SAL"]), st.integers(0, 2), st.sampled_from([0.4, 1.0, 3.7]))
@settings(deadline=None)
def test_every_voxel_lies_between_the_planes_and_rows_below_it(codes, axis, spacing):
    grid = respaced(reoriented(SCAN, codes), (spacing, 1.0, 2.0))
    route = route_across(axis, grid, SCAN)
    assert sorted(route.order) == list(range(SCAN.shape[axis]))
    reached = [route.planes_below(plane) for plane in route.order]
    assert reached == sorted(reached)  # no plane needs one that was let go of
    beyond = range(-1, route.planes[1] + 1)
    assert route.rows_below(beyond) == (0, route.shape[1] - 1)
    places = np.broadcast_to(route.places(range(route.planes[0]), range(route.planes[1]))[0], route.planes)
    for plane in (0, route.planes[0] - 1):
        low, high = route.planes_below(plane)
        assert low - 1 <= places[plane, -1, -1] <= high + 1


def test_rows_of_another_plan_follow_the_same_axes_of_the_scan():
    first = route_across(2, SCAN, SCAN)
    other = route_through(first.target, reoriented(SCAN, "SAR"), SCAN)
    assert other.target == first.target
    assert first.source == (2, 1, 0)  # the longer of the two is cut
    assert other.source == (0, 1, 2)


def test_a_tilted_scan_has_its_planes_across_the_normal():
    affine = affine_from((1.0, 1.0, 2.0))
    affine[1, 2] = 0.8
    scan = Grid((8, 10, 6), affine)
    route = route_across(2, orthogonal(scan), scan)
    low, high = route.planes_below(3)
    assert (low, high) in {(3, 3), (3, 4), (2, 3)}


def test_parts():
    assert parts(10, 3) == [range(3), range(3, 7), range(7, 10)]
    assert parts(2, 5) == [range(1), range(1, 2)]
