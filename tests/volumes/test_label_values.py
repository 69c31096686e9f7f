import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid
from segkit.volumes.label_values import as_colours, label_values, value_counts, voxels_of_values
from segkit.volumes.volume import Volume

GRID = Grid((2, 2), np.eye(4))


@given(hnp.arrays(np.uint8, (3, 2, 2), elements=st.integers(0, 255)))
def test_colours_there_and_back(colours):
    values = label_values(Volume(colours, GRID), "a.png", in_colour=True)
    assert np.array_equal(as_colours(values), colours)


def test_a_colour_by_hand():
    colours = np.zeros((3, 2, 2), np.uint8)
    colours[:, 0, 1] = (1, 2, 3)
    assert label_values(Volume(colours, GRID), "a.png", in_colour=True)[0, 1] == 1 * 65536 + 2 * 256 + 3
    grey = Volume(np.full((1, 2, 2), 9, np.uint8), GRID)
    assert (label_values(grey, "a.png", in_colour=True) == 9 * 65536 + 9 * 256 + 9).all()
    assert label_values(grey, "a.png").max() == 9


@pytest.mark.parametrize(("channels", "message"), [(2, "has 2 channels"), (3, "declare data.labels as '#RRGGBB'")])
def test_several_channels_are_no_mask(channels, message):
    with pytest.raises(DataError, match=message):
        label_values(Volume(np.zeros((channels, 2, 2)), GRID), "a.nii")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_voxels_are_counted_over_slabs(kind, monkeypatch):
    monkeypatch.setattr("segkit.volumes.label_values.SLAB", 7)
    mask = np.asfortranarray(np.random.default_rng(0).integers(0, 5, (4, 5, 6)).astype(kind))
    mask[0, 0, 0] = 200
    values, counts = np.unique(mask, return_counts=True)
    found, times = value_counts(mask)
    assert found.dtype == kind
    assert (found.tolist(), times.tolist()) == (values.tolist(), counts.tolist())
    assert voxels_of_values(mask) == dict(zip(values.tolist(), counts.tolist(), strict=True))


def test_nan_is_one_value():
    values, counts = value_counts(np.array([np.nan, 1, np.nan, 1, 1]))
    assert (values[0], counts.tolist()) == (1, [3, 2])
    assert np.isnan(values[1])
