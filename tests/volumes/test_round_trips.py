"""What is written is read again: voxels exactly, the affine as exactly as the format can."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.volumes.grid import Grid
from segkit.volumes.reading import read, read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"]
TOLERANCE = {".nii": 1e-6, ".nii.gz": 1e-6, ".nrrd": 1e-15, ".mha": 1e-13, ".tif": 0.0}  # relative; NIfTI-1 is float32


@st.composite
def grids(draw, dims, *, is_sheared):
    shape = tuple(draw(st.lists(st.integers(1, 20), min_size=dims, max_size=dims)))
    spacing = draw(st.lists(st.floats(0.05, 20), min_size=3, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    directions, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if is_sheared:
        directions = directions + 0.1 * directions[:, [1, 2, 0]]
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = rng.normal(0, 200, 3)
    if dims == 2:
        affine = np.diag([draw(st.sampled_from([-1.0, 1.0])) * spacing[0], spacing[1], 1, 1])
        affine[:2, 3] = rng.normal(0, 200, 2)
    return Grid(shape, affine)


@st.composite
def volumes(draw, suffix, dims):
    is_sheared = dims == 3 and suffix != ".mha" and draw(st.booleans())
    grid = draw(grids(dims, is_sheared=is_sheared))
    channels = 1 if dims == 2 and suffix.startswith(".nii") else draw(st.integers(1, 5))
    kind = np.dtype(draw(st.sampled_from(TYPES)))
    array = draw(hnp.arrays(kind, (channels, *grid.shape), elements=hnp.from_dtype(kind, allow_nan=False), fill=None))
    return Volume(np.asfortranarray(array) if draw(st.booleans()) else array, grid)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("suffix", TOLERANCE)
@settings(max_examples=25, deadline=None)
@given(strategy=st.data())
def test_written_volumes_read_the_same(tmp_path_factory, suffix, dims, strategy):
    volume = strategy.draw(volumes(suffix, dims))
    path = tmp_path_factory.mktemp("trip") / f"a{suffix}"
    write(volume, path)
    again = read(path)
    assert again.array.dtype == {"?": np.uint8, "e": np.float32}.get(volume.array.dtype.char, volume.array.dtype)
    assert again.array.dtype.isnative
    assert np.array_equal(again.array, volume.array)
    assert again.grid.dims == dims
    columns = [*range(dims), 3]
    scale = np.abs(volume.affine).max()
    np.testing.assert_allclose(
        again.affine[:, columns], volume.affine[:, columns], rtol=0, atol=TOLERANCE[suffix] * scale
    )
    assert read_grid(path).shape == volume.grid.shape
    assert [child.name for child in path.parent.iterdir()] == [path.name]


@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays(np.uint8, st.tuples(st.sampled_from([1, 3]), st.integers(1, 30), st.integers(1, 30)))
    | hnp.arrays(np.uint16, st.tuples(st.just(1), st.integers(1, 30), st.integers(1, 30)))
)
def test_pictures_read_the_same(tmp_path_factory, array):
    path = tmp_path_factory.mktemp("trip") / "a.png"
    write(Volume(array, Grid(array.shape[1:], np.eye(4))), path)
    assert np.array_equal(read(path).array, array)
    assert read(path).array.dtype == array.dtype
