import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.evaluation.confusion import SLAB, Counts, count_labels, values_in
from segkit.foundation.errors import DataError


def by_value(mask, reference, values, **names):
    return dict(zip(values, count_labels(mask, reference, [[value] for value in values], **names), strict=True))


def test_regions_share_voxels():
    mask = np.array([[0, 1, 2], [3, 2, 0]])
    reference = np.array([[0, 2, 3], [3, 1, 1]])
    whole, core = count_labels(mask, reference, [[1, 2, 3], [3, 2]], also=[0])
    assert whole == Counts(4, 0, 1, 1)
    assert core == Counts(2, 1, 1, 2)


def test_a_case_counted_by_hand():
    mask = np.array([[0, 1, 1], [2, 2, 0]])
    reference = np.array([[0, 1, 2], [2, 0, 0]])
    counts = by_value(mask, reference, [0, 1, 2])
    assert counts[0] == Counts(2, 0, 1, 3)
    assert counts[1] == Counts(1, 1, 0, 4)
    assert counts[2] == Counts(1, 1, 1, 3)


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 7, 255), (-3, 0, 5), (0, 300, 70000)])
@pytest.mark.parametrize("order", ["CC", "FF", "CF"])
def test_equals_one_comparison_per_label(values, order):
    random = np.random.default_rng(1)
    shape = (61, 53, 90)  # more than one slab, and the last one is not full
    mask, reference = (np.array(random.choice(values, shape), order=letter) for letter in order)
    assert mask.size > 2 * SLAB
    for value, counts in by_value(mask, reference, values).items():
        in_mask, in_reference = mask == value, reference == value
        assert counts.true_positives == (in_mask & in_reference).sum()
        assert counts.false_positives == (in_mask & ~in_reference).sum()
        assert counts.false_negatives == (~in_mask & in_reference).sum()
        assert counts.true_negatives == (~in_mask & ~in_reference).sum()


@pytest.mark.parametrize("dtype", [bool, "u1", "i1", "<i2", ">i2", "u2", "i4", ">f4", "f2", "f8", "u8"])
def test_number_types_count_the_same(dtype):
    random = np.random.default_rng(2)
    mask, reference = random.integers(0, 2, (2, 9, 8, 7))
    expected = by_value(mask, reference, [0, 1])
    assert by_value(mask.astype(dtype), reference.astype(dtype), [0, 1]) == expected
    assert by_value(mask.astype(dtype), reference, [0, 1, 1000])[1] == expected[1]


@given(hnp.arrays(np.int16, (4, 5), elements=st.integers(-2, 300)), st.data())
@settings(max_examples=60, deadline=None)
def test_every_voxel_is_counted_once(mask, data):
    reference = data.draw(hnp.arrays(np.int16, (4, 5), elements=st.integers(-2, 300)))
    values = np.union1d(mask, reference).tolist()
    counts = by_value(mask, reference, values)
    assert sum(one.in_mask for one in counts.values()) == mask.size
    assert sum(one.in_reference for one in counts.values()) == mask.size
    assert by_value(reference, mask, values) == {
        value: Counts(one.true_positives, one.false_negatives, one.false_positives, one.true_negatives)
        for value, one in counts.items()
    }


@pytest.mark.parametrize(
    ("stray", "message"),
    [
        (3, "^a.nii holds 3, but labels declare only 0, 1"),
        (-1, "^a.nii holds -1,"),
        (256, "^a.nii holds 256,"),
        (2.5, "^a.nii is not a mask: it holds 2.5"),
        (np.nan, "^a.nii is not a mask: it holds nan"),
        (np.inf, "^a.nii is not a mask: it holds inf"),
    ],
)
@pytest.mark.parametrize("declared", [(0, 1), (0, 1, 999)])
def test_values_that_labels_do_not_declare_are_named(stray, message, declared):
    mask = np.zeros((4, 4), np.float32 if isinstance(stray, float) else np.int32)
    reference = mask.copy()
    mask[2, 1] = stray
    with pytest.raises(DataError, match=message):
        by_value(mask, reference, declared, mask_name="a.nii")
    with pytest.raises(DataError, match=message):
        by_value(reference, mask, declared, reference_name="a.nii")


def test_a_ct_given_as_a_mask_is_named_in_one_short_line():
    image = np.random.default_rng(3).normal(0, 400, (60, 60, 60)).astype(np.float32)
    with pytest.raises(DataError, match="is not a mask") as raised:
        by_value(image, np.zeros_like(image), [0, 1])
    assert len(str(raised.value)) < 200


def test_complex_voxels_and_other_shapes_are_refused():
    with pytest.raises(DataError, match="complex64"):
        by_value(np.zeros((2, 2), np.complex64), np.zeros((2, 2)), [0])
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        by_value(np.zeros((2, 2)), np.zeros((2, 3)), [0])


def test_counting_takes_little_memory_beside_the_masks():
    mask = np.zeros((256, 256, 200), np.uint8, order="F")
    mask[50:100, 50:100, 50:100] = 5
    tracemalloc.start()
    by_value(mask, mask, range(6))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 14e6


def test_values_in_finds_each_value_once():
    array = np.array([[4, 0, -7], [4, 9, 0]], np.int16)
    assert values_in(array).tolist() == [-7, 0, 4, 9]
    assert values_in(array, np.array([0, 4])).tolist() == [-7, 9]
    assert values_in(np.zeros((3, 3)), np.array([0])).size == 0


def test_values_in_stops_at_a_continuous_image():
    found = values_in(np.arange(5 * SLAB, dtype=np.int64), at_most=10)
    assert found.size == SLAB
