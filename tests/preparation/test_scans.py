import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.foundation.errors import DataError, GeometryError
from segkit.preparation.scans import read_reference, read_scan
from segkit.volumes.grid import Grid, affine_from

LABELS = labels_from({"background": 0, "liver": 3, "spleen": 7})
HIPPOCAMPUS = labels_from({"background": 0, "anterior": 1, "posterior": 2})
MR = {"MR": Channel("mr")}
BOTH = {"T1": Channel("mr"), "T2": Channel("mr")}
GRID = Grid((4, 3, 2), affine_from((1.0, 1.2, 2.5), (-12.0, 7.0, 30.0)))


def test_channels_stand_in_the_order_of_the_data_set(write_nifti):
    t1 = write_nifti("t1.nii", np.full(GRID.shape, 1, np.int16))
    t2 = write_nifti("t2.nii", np.full(GRID.shape, 2.5, np.float32))
    scan = read_scan({"T1": t1, "T2": t2}, {"T2": Channel("mr"), "T1": Channel("mr")})
    assert scan.array.shape == (2, *GRID.shape)
    assert scan.array[:, 0, 0, 0].tolist() == [2.5, 1]
    assert scan.first.source.path == t2
    scan.grid.check_same_as(GRID, what="the scan and its file")


def test_one_channel_keeps_its_dtype(write_nifti):
    scan = read_scan({"CT": write_nifti("ct.nii", np.full(GRID.shape, -1000, np.int16))}, {"CT": Channel("ct")})
    assert scan.array.dtype == np.int16


def test_a_colour_picture_is_three_channels_of_one_slice(tmp_path):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)  # rows, columns, colours
    Image.fromarray(pixels).save(tmp_path / "skin.png")
    scan = read_scan({"photo": tmp_path / "skin.png"}, {"photo": Channel("rgb")})
    assert scan.array.shape == (3, 4, 2, 1)
    assert scan.array[1, 3, 1, 0] == pixels[1, 3, 1]
    assert (scan.grid.shape, scan.first.grid.shape) == ((4, 2, 1), (4, 2))


def test_channels_on_different_grids_are_refused(write_nifti):
    first = write_nifti("t1.nii", np.zeros(GRID.shape, np.float32))
    moved = write_nifti("t2.nii", np.zeros(GRID.shape, np.float32), affine_from((1.0, 1.2, 2.5), (-12.0, 7.0, 31.0)))
    with pytest.raises(GeometryError, match=r"T1 and T2 .*t2\.nii.* 1 mm apart"):
        read_scan({"T1": first, "T2": moved}, BOTH)
    other = write_nifti("t3.nii", np.zeros((4, 3, 3), np.float32))
    with pytest.raises(GeometryError, match="different shapes"):
        read_scan({"T1": first, "T2": other}, BOTH)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value, write_nifti):
    array = np.ones(GRID.shape, np.float32)
    array[1, 2, 0] = value
    with pytest.raises(DataError, match=r"mr\.nii holds NaN or infinite values"):
        read_scan({"MR": write_nifti("mr.nii", array)}, MR)


def test_other_channels_than_the_data_set_are_refused(write_nifti):
    path = write_nifti("mr.nii", np.zeros((*GRID.shape, 2), np.float32))
    with pytest.raises(DataError, match=r"mr\.nii has 2 channels; MR takes 1"):
        read_scan({"MR": path}, MR)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_are_numbered_in_class_order(dtype, write_nifti):
    stored = np.zeros(GRID.shape, dtype)
    stored[0], stored[1] = 7, 3
    classes = read_reference(write_nifti("ref.nii", stored), GRID, LABELS)
    assert classes.dtype == np.uint8
    assert classes[:, 0, 0].tolist() == [2, 1, 0, 0]


def test_the_background_may_have_any_value(write_nifti):
    stored = np.full(GRID.shape, 255, np.uint8)
    stored[2] = 0
    classes = read_reference(write_nifti("ref.nii", stored), GRID, labels_from({"background": 255, "air": 0}))
    assert classes[:, 0, 0].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize(("value", "shown"), [(5, "5"), (0.5, "0.5"), (np.nan, "nan"), (-3, "-3")])
def test_undeclared_values_are_named(value, shown, write_nifti):
    stored = np.zeros(GRID.shape, np.float32)
    stored[1, 1, 1] = value
    with pytest.raises(DataError, match=rf"ref\.nii holds the values {shown}, which data\.labels does not declare"):
        read_reference(write_nifti("ref.nii", stored), GRID, LABELS)


def test_a_reference_off_its_scan_is_refused(write_nifti):
    empty = np.zeros(GRID.shape, np.uint8)
    near = write_nifti("near.nii", empty, affine_from((1.0, 1.2, 2.5), (-12.0, 7.0, 30.001)))
    assert not read_reference(near, GRID, LABELS).any()
    far = write_nifti("far.nii", empty, affine_from((1.0, 1.2, 2.5), (-12.0, 7.0, 33.0)))
    with pytest.raises(GeometryError, match=r"far\.nii and its scan .* 3 mm apart"):
        read_reference(far, GRID, LABELS)
    with pytest.raises(GeometryError, match="different shapes"):
        read_reference(write_nifti("other.nii", np.zeros((3, 4, 2), np.uint8)), GRID, LABELS)


def test_microscopes_are_held_to_their_own_scale(write_nifti):
    spacing = (4e-6, 4e-6, 4e-5)  # 4 nm
    moved = write_nifti("ref.nii", np.zeros(GRID.shape, np.uint8), affine_from(spacing, (8e-6, 0, 0)))
    with pytest.raises(GeometryError, match="apart"):
        read_reference(moved, Grid(GRID.shape, affine_from(spacing)), LABELS)


def test_a_reference_has_one_channel(write_nifti):
    path = write_nifti("ref.nii", np.zeros((*GRID.shape, 3), np.uint8))
    with pytest.raises(DataError, match="has 3 channels; a reference or mask has one"):
        read_reference(path, GRID, LABELS)


@pytest.mark.parametrize("name", ["hippocampus_003", "hippocampus_243"])
def test_real_references_in_float32_are_read(name, segkit_data):
    image, reference = (segkit_data / "hippocampus" / role / f"{name}.nii.gz" for role in ("images", "labels"))
    scan = read_scan({"MR": image}, MR)
    classes = read_reference(reference, scan.grid, HIPPOCAMPUS)
    assert np.array_equal(classes, nib.load(reference).get_fdata())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hippocampus_001", "different shapes"),
        ("hippocampus_019", "3 mm apart"),
        ("hippocampus_046", "holds the values 7"),
        ("hippocampus_060", "holds the values 0.5"),
        ("hippocampus_101", "NaN or infinite"),
        ("hippocampus_123", "NaN or infinite"),
        ("hippocampus_152", "apart"),
        ("hippocampus_173", "has 2 channels; MR takes 1"),
        ("hippocampus_184", "hippocampus_184"),
        ("hippocampus_197", "is an empty file"),
        ("hippocampus_212", "hippocampus_212"),
    ],
)
def test_real_faults_are_found(name, message, segkit_data):
    image, reference = (segkit_data / "hippocampus_faulty" / role / f"{name}.nii.gz" for role in ("images", "labels"))
    with pytest.raises(DataError, match=message) as refused:
        read_reference(reference, read_scan({"MR": image}, MR).grid, HIPPOCAMPUS)
    assert "\n" not in str(refused.value)


def test_channels_may_share_a_file_in_any_order(write_nifti):
    both = np.stack([np.full(GRID.shape, 1, np.int16), np.full(GRID.shape, 3, np.int16)], axis=-1)
    files = {"A": write_nifti("ac.nii", both), "B": write_nifti("b.nii", np.full(GRID.shape, 2, np.int16))}
    channels = {name: Channel("mr") for name in "ABC"}
    scan = read_scan({**files, "C": files["A"]}, channels)
    assert scan.array[:, 0, 0, 0].tolist() == [1, 2, 3]


def test_a_channel_is_resampled_onto_another_ones_grid(write_nifti):
    # T2 has half the slices, twice as thick, over the same extent, and rises linearly along z.
    thick = Grid((4, 3, 2), affine_from((1.0, 1.2, 2.0), (0, 0, 0.5)))
    fine = Grid((4, 3, 4), affine_from((1.0, 1.2, 1.0)))
    rising = np.broadcast_to(np.array([0.5, 2.5], np.float32), thick.shape)
    images = {
        "T1": write_nifti("t1.nii", np.ones(fine.shape, np.float32), fine.affine),
        "T2": write_nifti("t2.nii", rising, thick.affine),
    }
    scan = read_scan(images, {"T1": Channel("mr"), "T2": Channel("mr", "T1")})
    assert scan.grid.shape == fine.shape
    assert scan.array[1, 0, 0].tolist() == pytest.approx([0.5, 1.0, 2.0, 2.5])
    with pytest.raises(GeometryError, match="T1 and T2"):
        read_scan(images, BOTH)


def test_a_missing_channel_is_named(write_nifti):
    image = write_nifti("t1.nii", np.ones(GRID.shape, np.float32))
    with pytest.raises(DataError, match="has no channel T2; it has T1"):
        read_scan({"T1": image}, BOTH)
    with pytest.raises(DataError, match=r"nowhere\.nii does not exist"):
        read_scan({"T1": image, "T2": image.with_name("nowhere.nii")}, BOTH)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16])
def test_ignored_voxels_are_stored_apart(dtype, write_nifti):
    stored = np.zeros(GRID.shape, dtype)
    stored[0], stored[1] = 9, 1
    labels = labels_from({"background": 0, "liver": 1, "ignore": 9})
    assert read_reference(write_nifti("ref.nii", stored), GRID, labels)[:, 0, 0].tolist() == [255, 1, 0, 0]


def test_palettes_and_colours_of_pictures_are_labels(tmp_path):
    grid = Grid((3, 2, 1), np.eye(4))
    places = Image.fromarray(np.array([[0, 1, 2], [0, 0, 1]], np.uint8), mode="P")
    places.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    places.save(tmp_path / "a.png")
    numbers = labels_from({"background": 0, "a": 1, "b": 2})
    assert read_reference(tmp_path / "a.png", grid, numbers)[:, 0, 0].tolist() == [0, 1, 2]
    colours = labels_from({"background": "#000000", "b": "#00FF00", "a": "#FF0000"})
    assert read_reference(tmp_path / "a.png", grid, colours)[:, :, 0].T.tolist() == [[0, 2, 1], [0, 0, 2]]
    places.convert("RGB").save(tmp_path / "b.png")
    with pytest.raises(DataError, match=r"declare data\.labels as '#RRGGBB'"):
        read_reference(tmp_path / "b.png", grid, numbers)
