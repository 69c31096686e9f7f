import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map

from segkit.inference.windows import gaussian, window_starts


@given(st.integers(1, 200), st.integers(1, 64), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_windows_cover_everything_and_overlap_enough(size, window, overlap):
    size = max(size, window)
    starts = window_starts(size, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == size - window
    steps = np.diff(starts)
    assert (steps <= max(1, int(window * (1 - overlap)))).all()
    assert (steps > 0).all()


def test_by_hand():
    assert window_starts(10, 10, 0.5) == [0]
    assert window_starts(11, 10, 0.5) == [0, 1]
    assert window_starts(20, 8, 0.5) == [0, 4, 8, 12]


@pytest.mark.parametrize("window", [(8, 8, 8), (9, 12, 1), (16, 7)])
def test_gaussian_is_monais(window):
    weights = gaussian(window)
    assert 0.5 < weights.max() <= 1
    assert weights.min() >= 1e-3
    if 1 not in window:
        theirs = compute_importance_map(window, mode="gaussian", sigma_scale=0.125)
        assert torch.allclose(weights, theirs.clamp_min(1e-3), atol=1e-6)
