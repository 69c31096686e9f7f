import numpy as np
import pytest
import SimpleITK
import tifffile

from segkit.foundation.errors import DataError, MissingExtraError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read, read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write

PAGES = np.random.default_rng(0).integers(0, 999, (6, 4, 5)).astype(np.uint16)  # Z, Y, X


@pytest.mark.parametrize("order", ["<", ">"])
def test_pages_are_slices_and_x_is_the_column(tmp_path, order):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, byteorder=order, metadata=None)
    volume = read(tmp_path / "a.tif")
    assert np.array_equal(volume.array[0], PAGES.T)
    assert volume.array.dtype.isnative
    assert volume.affine.tolist() == np.eye(4).tolist()
    assert read_grid(tmp_path / "a.tif").shape == (5, 4, 6)
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(tmp_path / "a.tif")), volume.array[0].T)


def test_one_page_is_2d_and_rgb_is_three_channels(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0])
    assert np.array_equal(read(tmp_path / "a.tif").array, PAGES[0].T[None])
    colours = np.random.default_rng(0).integers(0, 255, (4, 5, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", colours, photometric="rgb")
    assert np.array_equal(read(tmp_path / "b.tif").array, colours.transpose(2, 1, 0))
    planar = np.ascontiguousarray(colours.transpose(2, 0, 1))
    tifffile.imwrite(tmp_path / "c.tif", planar, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read(tmp_path / "c.tif").array, colours.transpose(2, 1, 0))
    stack = np.stack([colours, colours // 2])
    tifffile.imwrite(tmp_path / "d.tif", stack, photometric="rgb")
    assert np.array_equal(read(tmp_path / "d.tif").array, stack.transpose(3, 2, 1, 0))


def test_palettes_and_alpha(tmp_path):
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, :3] = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]]) * 257
    tifffile.imwrite(tmp_path / "a.tif", indices, photometric="palette", colormap=colormap)
    assert read(tmp_path / "a.tif").array[:, 1, 0].tolist() == [20, 50, 80]
    rgba = np.full((4, 5, 4), 255, np.uint8)
    tifffile.imwrite(tmp_path / "b.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    assert len(read(tmp_path / "b.tif").array) == 3
    tifffile.imwrite(tmp_path / "c.tif", rgba // 2, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(DataError, match="transparent"):
        read(tmp_path / "c.tif")


def test_imagej_spacing_is_turned_to_mm(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        PAGES,
        imagej=True,
        resolution=(4, 2),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": "micron"},
    )
    np.testing.assert_allclose(read(tmp_path / "a.tif").spacing, (0.25e-3, 0.5e-3, 3e-3), rtol=1e-5)
    tifffile.imwrite(tmp_path / "b.tif", PAGES, imagej=True, resolution=(4, 2), metadata={"axes": "ZYX"})
    assert read(tmp_path / "b.tif").spacing == (1, 1, 1)


def test_ome_spacing_is_turned_to_mm(tmp_path):
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "mm", "PhysicalSizeY": 250.0, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", PAGES, metadata={"axes": "ZYX", **sizes, "PhysicalSizeZUnit": "mm"})
    np.testing.assert_allclose(read(tmp_path / "a.ome.tif").spacing, (0.5, 0.25, 2.0))


def test_a_single_slice_stays_3d_and_channels_stay_channels(tmp_path, oblique):
    for shape in ((1, 5, 4, 1), (2, 5, 4, 1), (3, 5, 4, 6), (4, 5, 4, 6), (3, 5, 4), (7, 5, 4)):
        volume = Volume(np.random.default_rng(0).integers(0, 99, shape).astype(np.int16), Grid(shape[1:], oblique))
        write(volume, tmp_path / "a.tif")
        assert np.array_equal(read(tmp_path / "a.tif").array, volume.array), shape
        assert read_grid(tmp_path / "a.tif").shape == shape[1:]


def test_axes_that_are_not_a_volume_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 3, 4, 5), np.uint8), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(DataError, match="axes TZYX"):
        read(tmp_path / "a.tif")
    with tifffile.TiffWriter(tmp_path / "b.tif") as file:
        file.write(np.zeros((4, 5), np.uint8))
        file.write(np.zeros((7, 5), np.uint8))
    with pytest.raises(DataError, match="holds 2 images of different sizes"):
        read(tmp_path / "b.tif")


def test_a_missing_codec_names_the_extra(tmp_path):
    pytest.importorskip("PIL")
    from PIL import Image

    Image.fromarray(PAGES[0].astype(np.uint8)).save(tmp_path / "a.tif", compression="tiff_lzw")
    try:
        volume = read(tmp_path / "a.tif")
    except MissingExtraError as error:
        assert "pip install 'segkit[tiff]'" in str(error)  # noqa: PT017  (imagecodecs may be there or not)
    else:
        assert np.array_equal(volume.array[0], PAGES[0].T.astype(np.uint8))


@pytest.mark.parametrize("kept", [6, 100, 600, -400, -200])
@pytest.mark.parametrize("metadata", [{}, None])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_files_cut_short_are_refused(tmp_path, kept, compression, metadata):
    tifffile.imwrite(tmp_path / "a.tif", PAGES, compression=compression, metadata=metadata)
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.tif: ") as raised:
        read(tmp_path / "a.tif")
    assert "\n" not in str(raised.value)


def test_tags_that_declare_terabytes_take_no_memory(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PAGES[0], metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(1_000_000)
    with pytest.raises(DataError, match="cut short"):
        read(tmp_path / "a.tif")
