import bz2
import gzip
import io
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.foundation.errors import DataError
from segkit.volumes import voxel_bytes
from segkit.volumes.voxel_bytes import fortran_bytes, gzip_writer, native, parse_numbers, read_voxels, storable

COMPRESSORS = {"raw": bytes, "gzip": gzip.compress, "zlib": zlib.compress, "bzip2": bz2.compress}


@pytest.fixture(params=COMPRESSORS)
def encoding(request):
    return request.param


@pytest.mark.parametrize("skip", [0, 1, 10, 5000])
def test_voxels_come_back_after_the_skip(tmp_path, inflater, monkeypatch, encoding, skip):
    monkeypatch.setattr(voxel_bytes, "PIECE", 1000)
    content = np.random.default_rng(0).integers(0, 9, 10_000).astype(np.uint8).tobytes()
    (tmp_path / "a").write_bytes(b"head" + COMPRESSORS[encoding](content))
    with (tmp_path / "a").open("rb") as file:
        file.seek(4)
        voxels = read_voxels(file, 3000, encoding, skip=skip)
    assert voxels.tobytes() == content[skip : skip + 3000]
    assert voxels.flags.writeable


@pytest.mark.parametrize("missing", [1, 5000])
def test_short_content_is_refused(tmp_path, inflater, encoding, missing):
    (tmp_path / "a").write_bytes(COMPRESSORS[encoding](bytes(10_000 - missing)))
    with (tmp_path / "a").open("rb") as file, pytest.raises(DataError, match="cut short"):
        read_voxels(file, 10_000, encoding)


def test_no_memory_is_asked_for_more_than_deflate_can_give(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(zlib.compress(bytes(1000)))
    monkeypatch.setattr(np, "empty", lambda *_: pytest.fail("memory was taken"))
    with (tmp_path / "a").open("rb") as file, pytest.raises(DataError, match="cut short"):
        read_voxels(file, 10**15, "zlib")


def test_the_bound_lets_the_best_compression_through(tmp_path):
    content = gzip.compress(bytes(50_000_000), 9)
    assert 50_000_000 / len(content) > 1000
    (tmp_path / "a").write_bytes(content)
    with (tmp_path / "a").open("rb") as file:
        assert not read_voxels(file, 50_000_000, "gzip").any()


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int16, np.float64]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=40),
        elements=st.integers(0, 100),
    ),
    st.booleans(),
)
def test_fortran_bytes_are_numpys_own(array, is_strided):
    array = array[..., ::2] if is_strided else array
    assert bytes(fortran_bytes(array)) == array.tobytes(order="F")


def test_fortran_arrays_are_not_copied():
    array = np.ones((30, 20, 10), np.int16, order="F")
    assert np.shares_memory(np.frombuffer(fortran_bytes(array), np.uint8), array)


@pytest.mark.parametrize("kind", [">i2", "<i2", ">f8"])
def test_native_keeps_values(kind):
    array = np.array([1, -2, 300]).astype(kind)
    expected = array.tolist()
    swapped = native(array)
    assert swapped.dtype.isnative
    assert swapped.tolist() == expected


def test_storable_keeps_values_and_refuses_the_rest():
    assert storable(np.array([True, False])).dtype == np.uint8
    assert storable(np.array([0.5], np.float16)).dtype == np.float32
    assert storable(np.array([1], ">i4")).dtype.str == "<i4"
    for odd in (np.complex64, np.longdouble, "U3", "M8[s]"):
        with pytest.raises(DataError, match="cannot be stored"):
            storable(np.zeros(2, odd))


def test_numbers_in_text():
    assert parse_numbers(b"1 2\n-3", 3, np.dtype("i2")).tolist() == [1, 2, -3]
    assert parse_numbers(b"1.5 nan", 2, np.dtype("f4"))[0] == 1.5
    with pytest.raises(DataError, match="holds 2 numbers"):
        parse_numbers(b"1 2", 3, np.dtype("i2"))


def test_gzip_bytes_hold_no_time_and_no_name(inflater):
    buffer = io.BytesIO()
    with gzip_writer(buffer) as file:
        file.write(b"voxels")
    head = buffer.getvalue()[:10]
    assert head[3] == 0  # no name
    assert head[4:8] == bytes(4)  # no time
    assert gzip.decompress(buffer.getvalue()) == b"voxels"
