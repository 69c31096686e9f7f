import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from segkit.preparation.pyramid import SMALLEST_FEATURE, pyramid


def test_equal_axes_are_halved_together():
    found = pyramid((40, 56, 40), (1, 1, 1), 6)
    assert found.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2))
    assert found.kernels == ((3, 3, 3),) * 4
    assert found.multiples == (8, 8, 8)


def test_nnunets_published_prostate():
    # MSD Task05, its axes reversed: the slices wait for two levels, and are halved twice.
    found = pyramid((256, 320, 20), (0.62, 0.62, 3.6), 7)
    assert found.strides == (
        (1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1),
    )  # fmt: skip
    assert found.kernels == ((3, 3, 1), (3, 3, 1), *[(3, 3, 3)] * 5)


def test_a_short_axis_does_not_cost_the_others_their_kernels():
    found = pyramid((128, 128, 16), (1, 1, 1), 6)
    assert found.strides == ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1), (2, 2, 1))
    assert found.kernels == ((3, 3, 3),) * 6


def test_a_last_axis_needs_twelve_voxels_to_be_halved_alone():
    assert pyramid((4, 11), (1, 1), 6).strides == ((1, 1),)
    assert pyramid((4, 12), (1, 1), 6).strides == ((1, 1), (1, 2))


def test_the_coarsest_level_looks_along_every_axis():
    assert pyramid((16, 16, 4), (1, 1, 20), 6).kernels == ((3, 3, 1), (3, 3, 1), (3, 3, 3))
    assert pyramid((16, 16, 4), (1, 1, 20), 1).kernels == ((3, 3, 1),)


def test_odd_sizes_are_halved_upwards():
    assert pyramid((31, 31, 31), (1, 1, 1), 6).multiples == (8, 8, 8)  # 31, 16, 8, 4


@given(
    patch=st.tuples(*[st.integers(1, 400)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8.0)] * 3),
    levels=st.integers(1, 7),
)
def test_every_pyramid_holds_together(patch, spacing, levels):
    found = pyramid(patch, spacing, levels)
    assert 1 <= len(found.strides) <= levels
    assert len(found.kernels) == len(found.strides)
    assert found.strides[0] == (1, 1, 1)
    assert {stride for level in found.strides[1:] for stride in level} <= {1, 2}
    coarsest = np.ceil(np.array(patch) / found.multiples)
    assert (coarsest >= np.minimum(patch, SMALLEST_FEATURE)).all()
    for finer, coarser in zip(found.kernels, found.kernels[1:], strict=False):
        assert all(a <= b for a, b in zip(finer, coarser, strict=True))
