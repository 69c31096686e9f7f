import numpy as np
import pytest

from segkit.foundation.errors import DataError
from segkit.volumes.reading import read, read_grid


@pytest.mark.parametrize(
    ("shape", "expected"), [((5, 4), (1, 5, 4)), ((5, 4, 3), (1, 5, 4, 3)), ((2, 5, 4, 3), (2, 5, 4, 3))]
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_become_channel_first_on_the_identity(tmp_path, shape, expected, order):
    array = np.asarray(np.random.default_rng(0).normal(size=shape), order=order)
    np.save(tmp_path / "a.npy", array)
    volume = read(tmp_path / "a.npy")
    assert np.array_equal(volume.array.reshape(shape), array)
    assert volume.array.shape == expected
    assert volume.affine.tolist() == np.eye(4).tolist()
    assert read_grid(tmp_path / "a.npy").shape == expected[1:]


def test_byte_order_and_bool(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 2), ">i4"))
    assert read(tmp_path / "a.npy").array.dtype.isnative
    np.save(tmp_path / "b.npy", np.ones((2, 2), bool))
    assert read(tmp_path / "b.npy").array.dtype == np.uint8


@pytest.mark.parametrize(
    "array",
    [np.zeros(5), np.zeros((1, 2, 3, 4, 5)), np.zeros((2, 2), np.complex64), np.array([[{}]]), np.zeros((2, 2), "U2")],
    ids=["1D", "5D", "complex", "objects", "text"],
)
def test_what_is_no_volume_is_refused(tmp_path, array):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        read(tmp_path / "a.npy")


def test_a_short_file_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((50, 50)))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"a\.npy"):
        read(tmp_path / "a.npy")
