import numpy as np
import pytest

from segkit.foundation.errors import DataError, GeometryError, UsageError
from segkit.volumes.grid import Grid
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask


@pytest.mark.parametrize(
    ("labels", "kind"),
    [([0, 255], "u1"), ([0, 256], "u2"), ([0, 65536], "i4"), ([-1, 3], "i4"), ([False, True], "u1")],
)
def test_masks_take_the_smallest_type(tmp_path, scan, labels, kind):
    mask = np.resize(np.array(labels), scan.grid.shape)
    write_mask(mask, scan, tmp_path / "m.nii.gz")
    again = read(tmp_path / "m.nii.gz")
    assert again.array.dtype == np.dtype(kind)
    assert np.array_equal(again.array[0], mask)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".tif", ".tiff"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_masks_lie_on_the_scans_grid_in_every_format(tmp_path, scan, suffix, order):
    mask = np.asarray(np.random.default_rng(0).integers(0, 4, scan.grid.shape), order=order)
    write_mask(mask, scan, tmp_path / f"m{suffix}")
    again = read(tmp_path / f"m{suffix}")
    again.grid.check_same_as(scan.grid, what="mask and scan", tolerance=1e-4)
    assert np.array_equal(again.array[0], mask)


def test_masks_that_do_not_fit_are_refused(tmp_path, scan):
    path = tmp_path / "m.nii"
    with pytest.raises(GeometryError, match=r"m\.nii: a mask of \(4, 5, 3\) voxels for a scan of \(5, 4, 3\)"):
        write_mask(np.zeros((4, 5, 3), np.uint8), scan, path)
    with pytest.raises(DataError, match="labels are integers, not float32"):
        write_mask(np.zeros((5, 4, 3), np.float32), scan, path)
    with pytest.raises(DataError, match="do not fit into 32 bits"):
        write_mask(np.full((5, 4, 3), 2**40), scan, path)
    assert not path.exists()


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.bmp", "a.hdr", "a.img", "a.mhd", "a.nhdr", "a.npy", "a.dcm", "a.xyz", "a"]
)
def test_suffixes_that_are_not_written_are_a_mistake_in_the_call(tmp_path, scan, name):
    with pytest.raises(UsageError, match=r"end the name in \.mha \.nii \.nii\.gz \.nrrd \.png \.tif \.tiff"):
        write(scan, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_older_file_and_nothing_else(tmp_path, scan, monkeypatch):
    path = tmp_path / "a.nii"
    write(scan, path)
    before = path.read_bytes()
    monkeypatch.setattr("segkit.volumes.formats.nifti._write_to", lambda *_, **__: 1 / 0)
    with pytest.raises(DataError, match=r"a\.nii: cannot be written: division by zero"):
        write(scan, path)
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["a.nii"]


def test_folders_are_made(tmp_path, scan):
    write(scan, tmp_path / "DOE^JOHN (1) ü=~&" / "b" / "a.nrrd")
    assert read(tmp_path / "DOE^JOHN (1) ü=~&" / "b" / "a.nrrd").grid.shape == scan.grid.shape


def test_what_a_picture_of_a_scan_can_and_cannot_hold(tmp_path):
    flat = Volume(np.ones((1, 6, 5), np.uint8), Grid((6, 5), np.diag([2.0, 2.0, 1.0, 1.0])))
    write_mask(np.eye(6, 5, dtype=int), flat, tmp_path / "m.png")
    assert np.array_equal(read(tmp_path / "m.png").array[0], np.eye(6, 5))
