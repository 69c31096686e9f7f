import bz2
import gzip

import nrrd
import numpy as np
import pytest
import SimpleITK

from segkit.foundation.errors import DataError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

VOXELS = np.random.default_rng(0).integers(-99, 99, (5, 4, 3)).astype(np.int16)
PLAIN = VOXELS.tobytes(order="F")
STEPS = np.array([[1.0, 0.2, 0.0], [0.0, 2.0, 0.3], [0.1, 0.0, 3.0]])


def write_by_hand(path, lines, content=PLAIN):
    fields = {"type": "short", "dimension": "3", "sizes": "5 4 3", "encoding": "raw", "endian": "little", **lines}
    text = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    path.write_bytes(f"NRRD0004\n# made by hand\n{text}\n".encode() + content)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2", "ascii"])
@pytest.mark.parametrize("space", ["left-posterior-superior", "RAS", "left-anterior-superior", "3D-right-handed", None])
def test_spaces_and_encodings_are_simpleitks(tmp_path, ras_affine, inflater, encoding, space):
    header = {"encoding": encoding, "space directions": STEPS, "space origin": [5.0, 6.0, 7.0]}
    header |= {"space": space} if space else {"space dimension": 3}
    nrrd.write(str(tmp_path / "a.nrrd"), VOXELS, header)
    volume = read(tmp_path / "a.nrrd")
    assert np.array_equal(volume.array[0], VOXELS)
    assert volume.array.dtype == np.int16
    nrrd.write(str(tmp_path / "b.nrrd"), VOXELS, {**header, "encoding": "raw"})  # SimpleITK reads no bzip2
    np.testing.assert_allclose(volume.affine, ras_affine(SimpleITK.ReadImage(tmp_path / "b.nrrd")), atol=1e-12)
    np.testing.assert_allclose(volume.spacing, np.linalg.norm(STEPS, axis=1))
    assert volume.grid.is_sheared


def test_named_spaces_by_hand(tmp_path):
    directions = {"space directions": "(1,0,0) (0,2,0) (0,0,3)", "space origin": "(5,6,7)"}
    for space, signs in (("RAS", (1, 1)), ("left-anterior-superior", (-1, 1)), ("left-posterior-superior", (-1, -1))):
        write_by_hand(tmp_path / "a.nrrd", {"space": space, **directions})
        x, y = signs
        assert read(tmp_path / "a.nrrd").affine.tolist() == [
            [1 * x, 0, 0, 5 * x],
            [0, 2 * y, 0, 6 * y],
            [0, 0, 3, 7],
            [0, 0, 0, 1],
        ]


@pytest.mark.parametrize(
    "lines",
    [
        {"spacings": "1.5 2 3"},
        {"spacings": "1.5 2 3", "axis mins": "10 20 30"},
        {"spacings": "1.5 2 3", "axis mins": "10 20 30", "centerings": "cell cell cell"},
        {"spacings": "1.5 2 3", "axis mins": "10 20 30", "centerings": "node node node"},
        {},
    ],
)
def test_headers_without_directions_are_simpleitks(tmp_path, ras_affine, lines):
    write_by_hand(tmp_path / "a.nrrd", lines)
    np.testing.assert_allclose(read(tmp_path / "a.nrrd").affine, ras_affine(SimpleITK.ReadImage(tmp_path / "a.nrrd")))


@pytest.mark.parametrize("kind", ["vector", "list", "RGB-color", "time", "3-vector"])
@pytest.mark.parametrize("position", [0, 3])
def test_kinds_and_directions_say_which_axis_is_the_channels(tmp_path, kind, position):
    channels = np.random.default_rng(0).integers(0, 99, (3, 5, 4, 2)).astype(np.uint8)
    kinds, directions = ["domain"] * 3, ["(1,0,0)", "(0,2,0)", "(0,0,3)"]
    kinds.insert(position, kind)
    directions.insert(position, "none")
    stored = np.moveaxis(channels, 0, position)
    lines = {"type": "uchar", "dimension": "4", "sizes": " ".join(map(str, stored.shape)), "kinds": " ".join(kinds)}
    for extra in ({"space": "RAS", "space directions": " ".join(directions)}, {}):
        write_by_hand(tmp_path / "a.nrrd", {**lines, **extra}, stored.tobytes(order="F"))
        volume = read(tmp_path / "a.nrrd")
        assert np.array_equal(volume.array, channels)
        assert volume.spacing == ((1, 2, 3) if extra else (1, 1, 1))


def test_four_axes_without_kinds_are_ambiguous(tmp_path):
    write_by_hand(tmp_path / "a.nrrd", {"dimension": "4", "sizes": "5 4 3 1"})
    with pytest.raises(DataError, match="has 4 axes in space"):
        read(tmp_path / "a.nrrd")


def test_opaque_alpha_is_dropped(tmp_path):
    colours = np.random.default_rng(0).integers(0, 99, (4, 5, 4)).astype(np.uint8)
    colours[3] = 255
    lines = {"type": "uchar", "dimension": "3", "sizes": "4 5 4", "kinds": "RGBA-color domain domain"}
    write_by_hand(tmp_path / "a.nrrd", lines, colours.tobytes(order="F"))
    assert np.array_equal(read(tmp_path / "a.nrrd").array, colours[:3])


def test_big_endian_hex_and_skips(tmp_path):
    big = VOXELS.astype(">i2").tobytes(order="F")
    write_by_hand(tmp_path / "a.nrrd", {"endian": "big"}, big)
    write_by_hand(tmp_path / "b.nrrd", {"endian": "big", "encoding": "hex"}, big.hex().encode())
    write_by_hand(tmp_path / "c.nrrd", {"endian": "big", "line skip": "1", "byte skip": "3"}, b"a line\nabc" + big)
    write_by_hand(tmp_path / "d.nrrd", {"endian": "big", "byte skip": "-1"}, b"anything" + big)
    write_by_hand(tmp_path / "e.nrrd", {"endian": "big", "encoding": "gz"}, gzip.compress(big))
    write_by_hand(tmp_path / "f.nrrd", {"endian": "big", "encoding": "bz2"}, bz2.compress(big))
    for name in "abcdef":
        volume = read(tmp_path / f"{name}.nrrd")
        assert np.array_equal(volume.array[0], VOXELS), name
        assert volume.array.dtype.isnative


def test_detached_voxels_must_lie_beside_the_header(tmp_path):
    nrrd.write(str(tmp_path / "a.nhdr"), VOXELS, {"encoding": "gzip"})
    assert np.array_equal(read(tmp_path / "a.nhdr").array[0], VOXELS)
    (tmp_path / "inside").mkdir()
    for name in ("../a.raw.gz", "/etc/passwd", "LIST", "slice%03d.raw 1 3 1", "..\\a.raw.gz"):
        write_by_hand(tmp_path / "inside" / "b.nhdr", {"data file": name})
        with pytest.raises(DataError, match=r"b\.nhdr: (names voxels outside|spreads its voxels)"):
            read(tmp_path / "inside" / "b.nhdr")
    write_by_hand(tmp_path / "inside" / "c.nhdr", {"data file": "gone.raw"})
    with pytest.raises(DataError, match=r"needs its voxels gone\.raw beside it"):
        read(tmp_path / "inside" / "c.nhdr")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({"sizes": "5000 4000 3000"}, "cut short"),
        ({"sizes": "5000 4000 3000", "encoding": "gzip"}, "cut short"),
        ({"line skip": "1000000000000"}, "cut short"),
        ({"sizes": "5 4"}, r"sizes \[5, 4\] for 3 axes"),
        ({"sizes": "5 4 0"}, "sizes"),
        ({"type": "block"}, "'block'"),
        ({"encoding": "zebra"}, "'zebra'"),
        ({"endian": ""}, "endian"),
        ({"type": ""}, "'type'"),
        ({"kinds": "complex domain domain"}, "complex"),
        ({"kinds": "list vector domain"}, "1 axes in space"),
        ({"space": "left-posterior-superior-time"}, "time"),
        ({"space directions": "(1,0,0) (1,0,0) (0,0,1)", "space": "RAS"}, "affine"),
        ({"sizes": "five four three"}, "cannot be read as nrrd"),
    ],
)
def test_refusals_are_one_line(tmp_path, lines, message):
    write_by_hand(tmp_path / "a.nrrd", lines)
    with pytest.raises(DataError, match=message) as raised:
        read(tmp_path / "a.nrrd")
    assert str(raised.value).startswith(f"{tmp_path / 'a.nrrd'}: ")
    assert "\n" not in str(raised.value)


def test_simpleitk_reads_what_is_written(tmp_path, scan, ras_affine):
    write(scan, tmp_path / "a.nrrd")
    image = SimpleITK.ReadImage(tmp_path / "a.nrrd")
    np.testing.assert_allclose(ras_affine(image), scan.affine, atol=1e-12)
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).T, scan.array[0])
    colours = Volume(np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4), Grid((5, 4), np.diag([2.0, 3, 1, 1])))
    write(colours, tmp_path / "b.nrrd")
    image = SimpleITK.ReadImage(tmp_path / "b.nrrd")
    assert np.array_equal(SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0), colours.array)
    np.testing.assert_allclose(ras_affine(image), colours.affine)
