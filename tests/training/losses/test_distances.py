import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt

from segkit.training.losses.distances import signed_distances


@given(st.integers(0, 10_000), st.sampled_from([(9, 7), (1, 12), (5, 6, 4)]), st.sampled_from([0.03, 0.5, 0.97]))
def test_signed_distances_are_scipys(seed, size, share):
    masks = np.random.default_rng(seed).random((2, 2, *size)) < share
    found = signed_distances(torch.from_numpy(masks)).numpy()
    for mask, distances in zip(masks.reshape(4, *size), found.reshape(4, *size), strict=True):
        if mask.all() or not mask.any():
            assert not distances.any()
        else:
            expected = distance_transform_edt(~mask) - (distance_transform_edt(mask) - 1) * mask
            assert distances == pytest.approx(expected, abs=1e-5)


def test_a_square_by_hand():
    mask = torch.zeros(1, 1, 5, 6, dtype=torch.bool)
    mask[..., 1:4, 1:4] = True
    distances = signed_distances(mask)[0, 0]
    assert distances[2].tolist() == [1, 0, -1, 0, 1, 2]
    assert distances[0, 0].item() == pytest.approx(2**0.5)
