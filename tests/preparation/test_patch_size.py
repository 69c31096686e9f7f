import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.preparation.patch_size import Space, configured_patch, patch_of_voxels, patch_that_fits, smaller


def space(sizes, spacing=(1, 1, 1), levels=6):
    return Space(np.array(sizes, dtype=float), np.array(spacing, dtype=float), levels)


def within(most, where):
    return patch_that_fits(where, lambda patch: patch.voxels <= most)


def test_a_cube_in_mm_by_hand():
    # A cube of 110592 voxels has edges of (110592 x 0.5 x 0.5 x 5)^(1/3) = 51.7 mm: 103.4 x 103.4 x 10.3 voxels.
    assert patch_of_voxels(space([512, 512, 30], [0.5, 0.5, 5.0]), 110592).sizes == (96, 96, 10)


def test_what_rounding_up_would_cost_too_much_is_rounded_down():
    # Spanning all of 45 x 49 x 50 in multiples of 8 takes 48 x 56 x 56 = 150528 voxels.
    assert patch_of_voxels(space([45, 49, 50]), 110592).sizes == (48, 48, 48)
    assert patch_of_voxels(space([45, 49, 50]), 150528).sizes == (48, 56, 56)


def test_a_configured_patch_keeps_to_the_strides():
    assert configured_patch([30, 33, 64], space([100, 100, 100])).sizes == (24, 32, 64)
    assert configured_patch([30, 33, 64], space([30, 33, 64])).sizes == (32, 40, 64)


def test_a_patch_starts_as_large_as_the_median_scan():
    assert within(10**9, space([36, 50, 35])).sizes == (40, 56, 40)
    assert within(10**9, space([1000, 1000, 1000])).sizes == (256, 256, 256)
    assert within(10**9, space([1000, 1000, 1000], [1, 1, 8])).sizes == (512, 512, 64)


def test_the_axis_of_which_the_patch_sees_most_gives_way():
    # 138 x 169 x 138 rounds up to 160 x 192 x 160, of which the first and last axes see 116%, the second 114%.
    found = [within(most, space([138, 169, 138])).sizes for most in (160 * 192 * 160, 128 * 192 * 160, 128 * 192 * 128)]
    assert found == [(160, 192, 160), (128, 192, 160), (128, 192, 128)]
    assert within(128**3, space([138, 169, 138])).sizes == (128, 128, 128)


def test_a_shorter_axis_shrinks_by_its_finer_multiple():
    where = space([1000, 1000], [1, 1], levels=8)
    patch = configured_patch([256, 256], where)
    assert patch.pyramid.multiples == (64, 64)
    assert smaller(patch, where).sizes == (224, 256)


def test_nothing_fits_into_nothing():
    assert within(0, space([40, 40, 40])) is None
    assert within(100, space([200, 200, 1])).sizes == (10, 10, 1)


@settings(deadline=None)
@given(
    sizes=st.tuples(*[st.integers(1, 600)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8.0)] * 3),
    most=st.integers(8**3, 5_000_000),
    levels=st.integers(1, 7),
)
def test_every_patch_fits_and_keeps_to_the_strides(sizes, spacing, most, levels):
    where = space(sizes, spacing, levels)
    found = within(most, where)
    assert found is not None
    assert found.voxels <= most
    assert found.pyramid == where.pyramid(found.sizes)
    for size, seen, multiple in zip(sizes, found.sizes, found.pyramid.multiples, strict=True):
        assert seen % multiple == 0
        assert seen <= max(size + multiple - 1, size)


@given(sizes=st.tuples(*[st.integers(1, 600)] * 2), spacing=st.tuples(*[st.floats(0.2, 8.0)] * 2))
def test_more_room_never_makes_a_smaller_patch(sizes, spacing):
    where = space(sizes, spacing)
    voxels = [within(most, where).voxels for most in (10_000, 50_000, 200_000)]
    assert voxels == sorted(voxels)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (8, 8, 8), (3, 500, 2)])
def test_small_scans_have_small_patches(sizes):
    found = within(10**7, space(sizes))
    assert all(seen >= size for seen, size in zip(found.sizes, np.minimum(sizes, 256), strict=True))
