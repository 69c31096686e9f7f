import gzip
import struct

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.reading import read, read_grid

INTEGERS = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"]


def voxels_of(kind, shape=(5, 4, 3), seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        return rng.normal(0, 100, shape).astype(dtype)
    bounds = np.iinfo(dtype)
    return rng.integers(bounds.min, bounds.max, shape, dtype=dtype.newbyteorder("="), endpoint=True).astype(dtype)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [*INTEGERS, "f4", "f8"])
def test_every_type_and_byte_order_reads_as_stored(tmp_path, oblique, inflater, kind, order, suffix):
    voxels = voxels_of(order + kind)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(voxels.dtype)
    nib.save(nib.Nifti1Image(voxels, oblique, header), tmp_path / f"a{suffix}")
    volume = read(tmp_path / f"a{suffix}")
    assert volume.array.dtype == np.dtype(kind)
    assert volume.array.dtype.isnative
    assert np.array_equal(volume.array[0], voxels)
    assert np.array_equal(volume.affine, nib.load(tmp_path / f"a{suffix}").affine)


def test_nifti_2_keeps_the_affine_in_float64(tmp_path, oblique):
    voxels = voxels_of("f8")
    nib.save(nib.Nifti2Image(voxels, oblique), tmp_path / "a.nii")
    volume = read(tmp_path / "a.nii")
    assert volume.array.dtype == np.float64
    assert np.array_equal(volume.array[0], voxels)
    assert np.array_equal(volume.affine, oblique)


def test_a_header_written_by_hand(tmp_path):
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 2, 1, 2, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)  # int16
    struct.pack_into("<8f", header, 76, 1, 2, 3, 4, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, 352, 2.0, -1.0)  # offset, slope, intercept
    struct.pack_into("<2h", header, 252, 0, 1)  # the sform alone
    struct.pack_into("<12f", header, 280, -2, 0, 0, 10, 0, 3, 0, 20, 0, 0, 4, 30)
    header[344:348] = b"n+1\0"
    (tmp_path / "a.nii").write_bytes(bytes(header) + bytes(4) + struct.pack("<4h", 1, 2, 3, 4))
    volume = read(tmp_path / "a.nii")
    assert volume.array.dtype == np.float32
    assert volume.array[0, :, 0, :].tolist() == [[1.0, 5.0], [3.0, 7.0]]  # x runs fastest
    assert volume.affine.tolist() == [[-2, 0, 0, 10], [0, 3, 0, 20], [0, 0, 4, 30], [0, 0, 0, 1]]


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from([*INTEGERS, "f4", "f8"]),
    slope=st.floats(2**-14, 1e4, width=32),
    intercept=st.floats(-1e4, 1e4, width=32),
    seed=st.integers(0, 100),
)
def test_scaling_is_nibabels_within_float32(tmp_path_factory, kind, slope, intercept, seed):
    path = tmp_path_factory.mktemp("scaled") / "a.nii"
    image = nib.Nifti1Image(voxels_of(kind, seed=seed), np.eye(4), dtype=np.dtype(kind))
    nib.save(image, path)
    with path.open("r+b") as file:
        file.seek(112)
        file.write(struct.pack("<2f", slope, intercept))
    volume = read(path)
    expected = nib.load(path).get_fdata()
    assert volume.array.dtype == (
        np.dtype(kind) if (slope, intercept) == (1, 0) else {"f8": np.float64}.get(kind, "f4")
    )
    assert np.array_equal(volume.array[0], expected.astype(volume.array.dtype))


@pytest.mark.parametrize(("slope", "intercept"), [(0, 5), (np.nan, 0), (1, 0)])
def test_a_slope_that_says_nothing_keeps_integers(tmp_path, slope, intercept):
    nib.save(nib.Nifti1Image(voxels_of("i2"), np.eye(4)), tmp_path / "a.nii")
    with (tmp_path / "a.nii").open("r+b") as file:
        file.seek(112)
        file.write(struct.pack("<2f", slope, intercept))
    assert read(tmp_path / "a.nii").array.dtype == np.int16


@pytest.mark.parametrize(
    ("sform_code", "qform_code"), [(1, 1), (1, 0), (0, 1), (0, 0), (4, 2)], ids=lambda code: str(code)
)
def test_sform_then_qform_then_fallback(tmp_path, oblique, sform_code, qform_code):
    image = nib.Nifti1Image(voxels_of("u1"), oblique)
    image.set_sform(oblique, sform_code)
    moved = oblique.copy()
    moved[:3, 3] += 5
    image.set_qform(moved, qform_code)
    nib.save(image, tmp_path / "a.nii")
    affine = read(tmp_path / "a.nii").affine
    assert np.array_equal(affine, nib.load(tmp_path / "a.nii").affine)
    if sform_code:
        np.testing.assert_allclose(affine, oblique, atol=1e-5)
    elif qform_code:
        np.testing.assert_allclose(affine, moved, atol=1e-5)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ((5, 4), (1, 5, 4)),
        ((5, 4, 1), (1, 5, 4, 1)),
        ((5, 4, 3), (1, 5, 4, 3)),
        ((5, 4, 3, 1), (1, 5, 4, 3)),
        ((5, 4, 3, 2), (2, 5, 4, 3)),
        ((5, 4, 3, 1, 2), (2, 5, 4, 3)),
        ((5, 4, 3, 2, 1), (2, 5, 4, 3)),
        ((5, 4, 1, 1, 3), (3, 5, 4, 1)),
    ],
)
def test_which_axis_is_the_channels(tmp_path, stored, expected):
    voxels = voxels_of("i2", stored)
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / "a.nii.gz")
    volume = read(tmp_path / "a.nii.gz")
    assert volume.array.shape == expected
    channel_last = voxels.reshape((*expected[1:], expected[0]))
    assert np.array_equal(volume.array, np.moveaxis(channel_last, -1, 0))
    assert read_grid(tmp_path / "a.nii.gz").shape == expected[1:]


@pytest.mark.parametrize("shape", [(5,), (5, 4, 3, 2, 2)])
def test_axes_that_are_not_a_volume_are_refused(tmp_path, shape):
    nib.save(nib.Nifti1Image(voxels_of("i2", shape), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(DataError, match=r"a\.nii: has the shape"):
        read(tmp_path / "a.nii")


def test_rgb_is_three_channels_and_opaque_alpha_is_dropped(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3)).astype(np.uint8)
    rgb = np.dtype([(name, "u1") for name in "RGB"])
    nib.save(nib.Nifti1Image(colours.view(rgb)[..., 0], np.eye(4)), tmp_path / "rgb.nii")
    assert np.array_equal(read(tmp_path / "rgb.nii").array, np.moveaxis(colours, -1, 0))
    rgba = np.dtype([(name, "u1") for name in "RGBA"])
    for alpha, name in ((255, "opaque.nii"), (7, "clear.nii")):
        both = np.concatenate([colours, np.full((5, 4, 3, 1), alpha, np.uint8)], axis=-1)
        nib.save(nib.Nifti1Image(both.view(rgba)[..., 0], np.eye(4)), tmp_path / name)
    assert np.array_equal(read(tmp_path / "opaque.nii").array, np.moveaxis(colours, -1, 0))
    with pytest.raises(DataError, match="transparent"):
        read(tmp_path / "clear.nii")


def test_pairs_read_by_either_name_and_need_both(tmp_path, oblique):
    voxels = voxels_of("i2")
    nib.save(nib.Nifti1Pair(voxels, oblique), tmp_path / "a.img")
    for name in ("a.img", "a.hdr"):
        volume = read(tmp_path / name)
        assert np.array_equal(volume.array[0], voxels)
        np.testing.assert_allclose(volume.affine, oblique, rtol=1e-6)
    (tmp_path / "a.img").unlink()
    with pytest.raises(DataError, match=r"needs a\.img beside it"):
        read(tmp_path / "a.hdr")


def test_content_decides_about_compression(tmp_path):
    nib.save(nib.Nifti1Image(voxels_of("i2"), np.eye(4)), tmp_path / "a.nii")
    plain = (tmp_path / "a.nii").read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(plain)
    (tmp_path / "c.nii").write_bytes(gzip.compress(plain))
    half = len(plain) // 2
    (tmp_path / "members.nii.gz").write_bytes(gzip.compress(plain[:half]) + gzip.compress(plain[half:]))
    for name in ("b.nii.gz", "c.nii", "members.nii.gz"):
        assert np.array_equal(read(tmp_path / name).array[0], voxels_of("i2"))


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0, 1, 100, 360, -1])
def test_files_cut_short_are_refused(tmp_path, inflater, suffix, kept):
    path = tmp_path / f"a{suffix}"
    nib.save(nib.Nifti1Image(voxels_of("i2", (20, 20, 20)), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError) as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_checksum_is_found(tmp_path, inflater):
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(voxels_of("i2"), np.eye(4)), path)
    stored = bytearray(path.read_bytes())
    stored[-6] ^= 1  # inside the CRC
    path.write_bytes(bytes(stored))
    with pytest.raises(DataError, match="damaged"):
        read(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_header_that_declares_terabytes_takes_no_memory(tmp_path, suffix):
    header = nib.Nifti1Header()
    header.set_data_dtype(np.float64)
    header["dim"] = [3, 30000, 30000, 30000, 1, 1, 1, 1]
    header["vox_offset"] = 352
    path = tmp_path / f"bomb{suffix}"
    content = header.binaryblock + bytes(4) + bytes(100_000)
    path.write_bytes(gzip.compress(content) if suffix == ".nii.gz" else content)
    with pytest.raises(DataError, match="cut short: its header declares 216000000000000 bytes"):
        read(path)


def test_no_more_is_inflated_than_declared(tmp_path, monkeypatch, inflater):
    from segkit.volumes import voxel_bytes

    monkeypatch.setattr(voxel_bytes, "PIECE", 4096)
    nib.save(nib.Nifti1Image(voxels_of("u1"), np.eye(4)), tmp_path / "a.nii")
    path = tmp_path / "long.nii.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes() + bytes(50_000_000)))
    pieces = []
    kept = voxel_bytes._pieces
    monkeypatch.setattr(voxel_bytes, "_pieces", lambda *args: (pieces.append(p) or p for p in kept(*args)))
    assert np.array_equal(read(path).array[0], voxels_of("u1"))
    assert len(pieces) <= 2


def test_analyze_and_other_content_are_told_apart(tmp_path):
    header = nib.AnalyzeHeader()
    header.set_data_shape((2, 2, 2))
    (tmp_path / "a.hdr").write_bytes(header.binaryblock)
    (tmp_path / "a.img").write_bytes(bytes(64))
    with pytest.raises(DataError, match="Analyze"):
        read(tmp_path / "a.hdr")
    (tmp_path / "b.nii").write_text("this is not a volume" * 40)
    with pytest.raises(DataError, match="no NIfTI header"):
        read(tmp_path / "b.nii")


def test_a_singular_affine_names_the_file(tmp_path):
    image = nib.Nifti1Image(voxels_of("u1"), np.eye(4))
    image.header["srow_x"] = 0
    image.header["sform_code"] = 1
    with (tmp_path / "a.nii").open("wb") as file:
        file.write(image.header.binaryblock + bytes(4) + bytes(60))
    with pytest.raises(GeometryError, match=r"a\.nii: the affine"):
        read(tmp_path / "a.nii")
