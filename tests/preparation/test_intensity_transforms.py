import numpy as np
import pytest
from monai.transforms import GaussianSmooth, ScaleIntensity

from segkit.foundation.errors import DataError, UsageError
from segkit.preparation.intensity_transforms import apply_transforms, check_transforms
from segkit.volumes.grid import Grid, affine_from

GRID = Grid((5, 5, 5), affine_from((1, 2, 3), (4, 5, 6)))
ARRAY = np.random.default_rng(0).normal(size=(2, 5, 5, 5)).astype(np.float32)


def of_monai(name, /, **arguments):
    return {"_target_": f"monai.transforms.{name}", **arguments}


def test_array_and_dictionary_transforms_follow_each_other():
    transforms = [of_monai("ScaleIntensity", minv=0, maxv=2), of_monai("GaussianSmoothd", keys=["image"], sigma=0.7)]
    result = apply_transforms(ARRAY, GRID, transforms)
    expected = GaussianSmooth(sigma=0.7)(ScaleIntensity(minv=0, maxv=2)(ARRAY))
    np.testing.assert_allclose(result, np.asarray(expected), rtol=1e-6)
    assert type(result) is np.ndarray
    assert result.dtype == np.float32


def test_nothing_to_do_changes_nothing():
    assert np.array_equal(apply_transforms(ARRAY, GRID, []), ARRAY)


@pytest.mark.parametrize(
    "transform",
    [
        of_monai("Flip", spatial_axis=0),
        of_monai("Flipd", keys="image", spatial_axis=1),
        of_monai("Rotate90"),
        of_monai("Orientation", axcodes="LPS", labels=None),
        of_monai("Spacing", pixdim=(2, 2, 2)),
        of_monai("SpatialPad", spatial_size=(8, 8, 8)),
        of_monai("CenterSpatialCrop", roi_size=3),
        of_monai("Transpose", indices=(0, 2, 1, 3)),
    ],
    ids=lambda transform: transform["_target_"].split(".")[-1],
)
def test_what_moves_or_reshapes_is_refused(transform):
    straight = of_monai("ScaleIntensity")
    array = ARRAY if "Transpose" not in transform["_target_"] else ARRAY[:, :, :4]
    grid = Grid(array.shape[1:], GRID.affine)
    with pytest.raises(UsageError, match=r"preprocessing\.transforms\[1\]: monai.*changes shape or affine"):
        apply_transforms(array, grid, [straight, transform])


def test_what_moves_after_the_affine_was_dropped_is_refused_too():
    bare = of_monai("ToNumpy")
    with pytest.raises(UsageError, match=r"transforms\[1\]"):
        apply_transforms(ARRAY, GRID, [bare, of_monai("Flip", spatial_axis=0)])


@pytest.mark.parametrize("name", ["RandGaussianNoise", "RandFlip"])
def test_what_is_random_is_refused(name):
    with pytest.raises(UsageError, match="is random; it belongs to augmentation"):
        apply_transforms(ARRAY, GRID, [of_monai(name, prob=1.0)])


def test_transforms_of_allowed_packages_pass_the_check():
    check_transforms([of_monai("ScaleIntensity", minv=0), of_monai("NormalizeIntensityd", keys=["image"])], [])
    check_transforms([], [])


@pytest.mark.parametrize(
    "attack",
    [
        of_monai("SaveImage", output_dir="anywhere"),
        of_monai("LoadImaged", keys="image"),
        of_monai("Lambda", func="os.system"),
        of_monai("TorchVision", name="ColorJitter"),
        {"_target_": "monai.networks.nets.UNet"},
        {"_target_": "monai.bundle.ConfigParser"},
        {"_target_": "torch.hub.load"},
        of_monai("ScaleIntensity", minv={"_target_": "os.system"}),
        {"_target_": None},
        {},
        "monai.transforms.ScaleIntensity",
        7,
    ],
    ids=str,
)
def test_a_strangers_door_is_shut(attack):
    with pytest.raises(DataError, match=r"preprocessing\.transforms\[1\]"):
        check_transforms([of_monai("ScaleIntensity"), attack], [])


@pytest.mark.parametrize("target", ["os.system", "antigravity.Door", "builtins.eval"])
def test_a_package_that_is_not_trusted_is_not_imported(target, monkeypatch):
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    with pytest.raises(UsageError, match="trust="):
        check_transforms([{"_target_": target}], [])
