import numpy as np
import pytest
from PIL import Image

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read, read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # 3 rows, 4 columns
COLOUR = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif"])
def test_x_is_the_column(tmp_path, suffix):
    Image.fromarray(GREY).save(tmp_path / f"a{suffix}")
    volume = read(tmp_path / f"a{suffix}")
    assert volume.array.shape == (1, 4, 3)
    assert np.array_equal(volume.array[0], GREY.T)
    assert volume.affine.tolist() == np.eye(4).tolist()
    assert read_grid(tmp_path / f"a{suffix}").shape == (4, 3)


def test_colours_palettes_and_jpeg(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png").array, COLOUR.transpose(2, 1, 0))
    palette = Image.fromarray(COLOUR).quantize(12)
    palette.save(tmp_path / "b.png")
    assert np.array_equal(read(tmp_path / "b.png").array, np.asarray(palette.convert("RGB")).transpose(2, 1, 0))
    Image.new("RGB", (16, 8), (200, 100, 50)).save(tmp_path / "c.jpg")
    assert np.abs(read(tmp_path / "c.jpg").array[:, 3, 3].astype(int) - [200, 100, 50]).max() < 5
    Image.new("CMYK", (16, 8)).save(tmp_path / "d.jpeg")
    assert read(tmp_path / "d.jpeg").array.shape == (3, 16, 8)


def test_16_bits_and_1_bit_are_kept(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "a.png")
    volume = read(tmp_path / "a.png")
    assert volume.array.dtype == np.uint16
    assert np.array_equal(volume.array[0], deep.T)
    Image.fromarray(GREY > 100).save(tmp_path / "b.png")
    assert np.array_equal(read(tmp_path / "b.png").array[0], (GREY > 100).T.astype(np.uint8))


def test_alpha_is_dropped_only_where_it_is_opaque(tmp_path):
    for mode, channels in (("RGBA", 3), ("LA", 1)):
        Image.fromarray(COLOUR).convert(mode).save(tmp_path / "a.png")
        assert len(read(tmp_path / "a.png").array) == channels
        faint = Image.fromarray(COLOUR).convert(mode)
        faint.putalpha(100)
        faint.save(tmp_path / "b.png")
        with pytest.raises(DataError, match=r"b\.png: has a transparent alpha channel"):
            read(tmp_path / "b.png")
    palette = Image.fromarray(COLOUR).quantize(12)
    palette.save(tmp_path / "c.png", transparency=0)
    with pytest.raises(DataError, match="transparent"):
        read(tmp_path / "c.png")


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_animations_are_refused(tmp_path, suffix):
    frames = [Image.fromarray(GREY + step) for step in (0, 5, 9)]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    with pytest.raises(DataError, match="animation of 3 frames"):
        read(tmp_path / f"a{suffix}")


def test_16_bit_colours_are_refused_rather_than_cut(tmp_path):
    import struct
    import zlib

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = zlib.compress((b"\0" + bytes(12)) * 2)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    with pytest.raises(DataError, match="16-bit colours"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("kept", [10, 60, -300])
def test_damaged_pictures_name_the_file(tmp_path, kept):
    noise = np.random.default_rng(0).integers(0, 256, (50, 50)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.png: ") as raised:
        read(tmp_path / "a.png")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((1, 4, 3, 2), np.uint8), GeometryError, r"this volume is 3D: write \.nii\.gz"),
        (np.zeros((1, 4, 3), np.float32), DataError, r"not 1 of float32: write \.tif"),
        (np.zeros((1, 4, 3), np.int16), DataError, "not 1 of int16"),
        (np.zeros((2, 4, 3), np.uint8), DataError, "not 2 of uint8"),
    ],
)
def test_what_png_cannot_hold_is_refused(tmp_path, array, error, message):
    with pytest.raises(error, match=message):
        write(Volume(array, Grid(array.shape[1:], np.eye(4))), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
