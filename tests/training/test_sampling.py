from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.training.sampling import CountedBatches, PatchDataset, cut


def test_batches_count_on_from_any_step():
    whole = list(islice(CountedBatches(2), 5))
    assert whole[:2] == [[(0, 0), (0, 1)], [(1, 0), (1, 1)]]
    assert list(islice(CountedBatches(2, start=3), 2)) == whole[3:]
    # Two ranks share a step without overlap.
    assert next(iter(CountedBatches(2, rank=1))) == [(0, 2), (0, 3)]


def test_accumulated_batches_hold_the_samples_of_one_large_batch():
    for rank in (0, 1):
        large = islice(CountedBatches(2, start=3, rank=rank), 4)
        small = list(islice(CountedBatches(1, start=3, rank=rank, accumulate=2), 8))
        assert [small[at] + small[at + 1] for at in range(0, 8, 2)] == list(large)


def test_a_sample_depends_on_its_counter_alone(balls):
    _, plan, prepared = balls
    patches = PatchDataset(prepared, plan.patch, seed=7, foreground=0.5)
    first = patches[(3, 1)]
    patches[(4, 0)]
    again = PatchDataset(prepared, plan.patch, seed=7, foreground=0.5)[(3, 1)]
    assert np.array_equal(first["image"], again["image"])
    assert first["counter"].tolist() == [3, 1]
    others = [PatchDataset(prepared, plan.patch, seed=8, foreground=0.5)[(3, 1)], patches[(3, 0)]]
    assert all(not np.array_equal(first["image"], other["image"]) for other in others)


def test_image_and_reference_are_cut_at_one_place(balls):
    _, plan, prepared = balls
    patches = PatchDataset(prepared, plan.patch, seed=1, foreground=1.0)
    for index in range(8):
        patch = patches[(0, index)]
        assert patch["image"].shape == (1, *plan.patch)
        inside = patch["image"][0][patch["reference"] == 1]
        assert inside.mean() > patch["image"][0][patch["reference"] == 0].mean() + 1


def test_foreground_patches_hold_foreground(balls):
    _, _, prepared = balls
    patches = PatchDataset(prepared, (4, 4, 4), seed=1, foreground=1.0)
    assert all(patches[(step, 0)]["reference"].any() for step in range(30))
    anywhere = PatchDataset(prepared, (4, 4, 4), seed=1, foreground=0.0)
    assert np.mean([anywhere[(step, 0)]["reference"].any() for step in range(60)]) < 0.6


@given(st.tuples(*[st.integers(-5, 9)] * 3))
def test_cut_is_zero_outside_and_the_array_inside(start):
    array = np.arange(1, 6 * 5 * 4 + 1).reshape(1, 6, 5, 4)
    patch = (4, 5, 6)
    padded = np.pad(array, ((0, 0), (20, 20), (20, 20), (20, 20)))
    expected = padded[(slice(None), *[slice(20 + a, 20 + a + p) for a, p in zip(start, patch, strict=True)])]
    if all(a < n and a + p > 0 for a, p, n in zip(start, patch, array.shape[1:], strict=True)):
        assert np.array_equal(cut(array, np.array(start), patch), expected)


def test_a_short_axis_lies_anywhere_within_the_patch(balls):
    _, _, prepared = balls
    patches = PatchDataset(prepared, (40, 16, 16), seed=2, foreground=0.0)
    firsts = {int(np.flatnonzero(patches[(step, 0)]["image"][0].any(axis=(1, 2)))[0]) for step in range(40)}
    assert len(firsts) > 10
    assert max(firsts) <= 40 - 18 + 1
    assert pytest.approx(0, abs=3) == min(firsts)
