import numpy as np
import pytest
from monai.transforms import LoadImage, LoadImaged, Orientation, Spacing
from PIL import Image

from segkit.foundation.errors import GeometryError
from segkit.volumes.grid import Grid
from segkit.volumes.monai_reader import VolumeReader
from segkit.volumes.reading import read
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask


@pytest.mark.parametrize("ensure_channel_first", [False, True])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".tif"])
def test_a_case_loads_channel_first_with_its_affine(tmp_path, scan, suffix, ensure_channel_first):
    write(scan, tmp_path / f"image{suffix}")
    write_mask((scan.array[0] > 0).astype(np.uint8), scan, tmp_path / f"reference{suffix}")
    load = LoadImaged(keys=["image", "reference"], reader=VolumeReader, ensure_channel_first=ensure_channel_first)
    case = load({"image": tmp_path / f"image{suffix}", "reference": str(tmp_path / f"reference{suffix}")})
    assert case["image"].shape == (1, 5, 4, 3)
    assert np.array_equal(case["image"].numpy(), scan.array)
    assert np.array_equal(case["reference"].numpy(), scan.array > 0)
    np.testing.assert_allclose(case["image"].affine.numpy(), scan.affine, atol=1e-5)
    assert np.array_equal(case["image"].affine.numpy(), case["image"].meta["original_affine"])
    assert case["image"].meta["filename_or_obj"] == str(tmp_path / f"image{suffix}")


def test_nifti_loads_as_monais_own_reader_loads_it(tmp_path, scan):
    write(scan, tmp_path / "a.nii.gz")
    ours = LoadImage(reader=VolumeReader)(tmp_path / "a.nii.gz")
    theirs = LoadImage(reader="NibabelReader", ensure_channel_first=True)(tmp_path / "a.nii.gz")
    assert np.array_equal(ours.numpy(), theirs.numpy())
    assert np.array_equal(ours.affine.numpy(), theirs.affine.numpy())


def test_spatial_transforms_use_the_affine(tmp_path, scan):
    write(scan, tmp_path / "a.nii.gz")
    image = LoadImage(reader=VolumeReader)(tmp_path / "a.nii.gz")
    turned = Orientation("RAS", labels=None)(image)
    assert np.array_equal(np.sort(turned.numpy().ravel()), np.sort(scan.array.ravel()))
    spaced = Spacing((1.0, 1.0, 1.0))(image)
    np.testing.assert_allclose(np.linalg.norm(spaced.affine.numpy()[:3, :3], axis=0), 1)


def test_several_paths_are_channels_on_one_grid(tmp_path, scan):
    write(scan, tmp_path / "t1.nii.gz")
    write(scan.with_array(scan.array + 1), tmp_path / "t2.nrrd")
    load = LoadImage(reader=VolumeReader)
    assert np.array_equal(
        load([tmp_path / "t1.nii.gz", tmp_path / "t2.nrrd"]).numpy(), np.concatenate([scan.array, scan.array + 1])
    )
    write(Volume(scan.array, Grid(scan.grid.shape, np.eye(4))), tmp_path / "moved.nii.gz")
    with pytest.raises(GeometryError, match=r"t1\.nii\.gz and .*moved\.nii\.gz"):
        load([tmp_path / "t1.nii.gz", tmp_path / "moved.nii.gz"])


def test_pictures_keep_x_as_the_column(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (3, 4, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.png")
    image = LoadImage(reader=VolumeReader, dtype=np.uint8)(tmp_path / "a.png")
    assert np.array_equal(image.numpy(), colours.transpose(2, 1, 0))
    assert np.array_equal(image.numpy(), read(tmp_path / "a.png").array)
    assert image.affine.shape == (4, 4)


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"nothing")
    with pytest.raises(RuntimeError, match=r"a\.nii\.gz: "):
        LoadImage(reader=VolumeReader)(tmp_path / "a.nii.gz")
    assert VolumeReader().verify_suffix([tmp_path / "a.nii.gz"])
    assert not VolumeReader().verify_suffix(tmp_path / "gone.xyz")
