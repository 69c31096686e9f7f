import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.datasets.soundness import voxels
from segkit.datasets.soundness.voxels import levels, voxel_hash

KINDS = st.sampled_from([np.int32, np.float32, np.float64])


@given(hnp.arrays(np.int16, (2, 3, 4, 2)), KINDS)
def test_equal_voxels_have_one_hash_whatever_their_type_and_order(array, dtype):
    assert voxel_hash(array) == voxel_hash(array.astype(dtype)) == voxel_hash(np.asfortranarray(array))
    changed = array.copy()
    changed[0, 1, 2, 1] ^= 1
    assert voxel_hash(changed) != voxel_hash(array)
    assert voxel_hash(array.reshape(2, 4, 3, 2)) != voxel_hash(array)


def test_a_copy_rounded_to_float32_is_the_same_image_and_minus_zero_is_zero():
    array = np.random.default_rng(0).normal(size=(1, 4, 5))
    assert voxel_hash(array) == voxel_hash(array.astype(np.float32))
    assert voxel_hash(np.zeros((1, 2, 2))) == voxel_hash(-np.zeros((1, 2, 2)))


def test_levels_leave_out_what_is_not_finite():
    assert levels(np.array([[0.0, np.nan], [100.0, np.inf]])) == (1.0, 50.0, 99.0)
    assert levels(np.full((1, 2, 2), np.nan)) == ()


def test_levels_of_a_large_array_are_those_of_every_so_manieth_voxel(monkeypatch):
    monkeypatch.setattr(voxels, "SAMPLED", 1000)
    array = np.random.default_rng(0).normal(0, 10, (1, 40, 40, 40))
    np.testing.assert_allclose(levels(array), np.percentile(array, voxels.LEVELS), atol=4)


def test_a_step_that_divides_the_rows_does_not_look_at_one_column_alone(monkeypatch):
    monkeypatch.setattr(voxels, "SAMPLED", 64)
    ramp = np.broadcast_to(np.arange(64.0), (1, 8, 64, 64))
    np.testing.assert_allclose(levels(np.ascontiguousarray(ramp)), np.percentile(ramp, voxels.LEVELS), atol=3)
