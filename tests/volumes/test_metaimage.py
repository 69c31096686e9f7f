import zlib

import numpy as np
import pytest
import SimpleITK

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

VOXELS = np.random.default_rng(0).integers(-99, 99, (5, 4, 3)).astype(np.int16)
PLAIN = VOXELS.tobytes(order="F")


def write_by_hand(path, lines, content=PLAIN):
    fields = {"ObjectType": "Image", "NDims": "3", "DimSize": "5 4 3", "ElementType": "MET_SHORT", **lines}
    fields.setdefault("ElementDataFile", "LOCAL")
    path.write_bytes("".join(f"{name} = {value}\n" for name, value in fields.items()).encode() + content)


@pytest.mark.parametrize("suffix", [".mha", ".mhd"])
@pytest.mark.parametrize("is_compressed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_simpleitks_files_read_the_same(tmp_path, ras_affine, inflater, kind, is_compressed, suffix):
    image = SimpleITK.GetImageFromArray(VOXELS.T.astype(kind))
    image.SetDirection(SimpleITK.Euler3DTransform((0, 0, 0), 0.1, 0.2, 0.3).GetMatrix())
    image.SetSpacing((0.5, 1.5, 2.5))
    image.SetOrigin((5, 6, 7))
    SimpleITK.WriteImage(image, tmp_path / f"a{suffix}", is_compressed)
    volume = read(tmp_path / f"a{suffix}")
    np.testing.assert_allclose(volume.affine, ras_affine(image), atol=1e-12)
    assert np.array_equal(volume.array[0], VOXELS.astype(kind))
    assert volume.array.dtype == np.dtype(kind)


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3)])
def test_channels_2d_and_a_fourth_axis(tmp_path, shape):
    channels = np.random.default_rng(0).integers(0, 99, (3, *shape)).astype(np.uint8)
    image = SimpleITK.GetImageFromArray(channels.T.copy(), isVector=True)
    SimpleITK.WriteImage(image, tmp_path / "a.mha")
    assert np.array_equal(read(tmp_path / "a.mha").array, channels)
    if len(shape) == 3:
        SimpleITK.WriteImage(
            SimpleITK.GetImageFromArray(channels.transpose(0, 3, 2, 1), isVector=False), tmp_path / "b.mha"
        )
        assert np.array_equal(read(tmp_path / "b.mha").array, channels)


def test_rows_of_the_matrix_are_directions_of_axes(tmp_path, ras_affine):
    lines = {"TransformMatrix": "0 1 0 0 0 1 1 0 0", "Offset": "5 6 7", "ElementSpacing": "1 2 3"}
    write_by_hand(tmp_path / "a.mha", lines)
    affine = read(tmp_path / "a.mha").affine
    assert affine.tolist() == [[0, 0, -3, -5], [-1, 0, 0, -6], [0, 2, 0, 7], [0, 0, 0, 1]]
    np.testing.assert_allclose(affine, ras_affine(SimpleITK.ReadImage(tmp_path / "a.mha")))


def test_big_endian_text_and_skipped_heads(tmp_path):
    big = VOXELS.astype(">i2").tobytes(order="F")
    text = " ".join(map(str, VOXELS.ravel(order="F"))).encode()
    write_by_hand(tmp_path / "a.mha", {"ElementByteOrderMSB": "True"}, big)
    write_by_hand(tmp_path / "b.mha", {"BinaryDataByteOrderMSB": "True"}, big)
    write_by_hand(tmp_path / "c.mha", {"BinaryData": "False"}, text)
    write_by_hand(tmp_path / "d.mha", {"CompressedData": "True"}, zlib.compress(PLAIN))
    (tmp_path / "e.raw").write_bytes(b"head" + PLAIN)
    write_by_hand(tmp_path / "e.mhd", {"HeaderSize": "4", "ElementDataFile": "e.raw"}, b"")
    write_by_hand(tmp_path / "f.mhd", {"HeaderSize": "-1", "ElementDataFile": "e.raw"}, b"")
    for name in ("a.mha", "b.mha", "c.mha", "d.mha", "e.mhd", "f.mhd"):
        volume = read(tmp_path / name)
        assert np.array_equal(volume.array[0], VOXELS), name
        assert volume.array.dtype == np.int16


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"ElementDataFile": "LIST"}, "several files"),
        ({"ElementDataFile": "slice%03d.raw 1 3 1"}, "several files"),
        ({"ElementDataFile": "../a.raw"}, "outside its own folder"),
        ({"ElementDataFile": "/etc/passwd"}, "outside its own folder"),
        ({"ElementDataFile": "gone.raw"}, r"needs its voxels gone\.raw"),
        ({"DimSize": "5000 4000 3000"}, "cut short"),
        ({"DimSize": "5000 4000 3000", "CompressedData": "True"}, "cut short"),
        ({"DimSize": "5 4 3 2 1"}, "DimSize 5 4 3 2 1"),
        ({"DimSize": "5 4 -3"}, "DimSize"),
        ({"ElementNumberOfChannels": "0"}, "0 element channels"),
        ({"ElementNumberOfChannels": "-1"}, "-1 element channels"),
        ({"ElementType": "MET_STRING"}, "MET_STRING"),
        ({"ObjectType": "Scene"}, "no MetaImage"),
        ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "affine"),
        ({"TransformMatrix": "1 0 0"}, "cannot be read as metaimage"),
        ({"Offset": "1 2"}, "another number of axes"),
        ({"CompressedData": "True"}, "damaged"),
    ],
)
def test_refusals_are_one_line(tmp_path, inflater, lines, message):
    write_by_hand(tmp_path / "a.mha", lines)
    with pytest.raises(DataError, match=message) as raised:
        read(tmp_path / "a.mha")
    assert str(raised.value).startswith(f"{tmp_path / 'a.mha'}: ")
    assert "\n" not in str(raised.value)


def test_other_content_is_refused(tmp_path):
    (tmp_path / "a.mha").write_bytes(bytes(range(256)) * 1000)
    with pytest.raises(DataError, match="no whole MetaImage header"):
        read(tmp_path / "a.mha")


def test_simpleitk_reads_what_is_written(tmp_path, scan, ras_affine, inflater):
    write(scan, tmp_path / "a.mha")
    image = SimpleITK.ReadImage(tmp_path / "a.mha")
    np.testing.assert_allclose(ras_affine(image), scan.affine, atol=1e-9)
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, scan.array[0])


def test_what_it_cannot_hold_is_refused(tmp_path, sheared, oblique):
    tilted = Volume(np.zeros((1, 5, 4, 3)), Grid((5, 4, 3), sheared))
    with pytest.raises(GeometryError, match=r"sheared.*write \.nii\.gz or \.nrrd"):
        write(tilted, tmp_path / "a.mha")
    slanted = Volume(np.zeros((1, 5, 4)), Grid((5, 4), oblique))
    with pytest.raises(GeometryError, match="2D image that is tilted"):
        write(slanted, tmp_path / "a.mha")
    assert not list(tmp_path.iterdir())
