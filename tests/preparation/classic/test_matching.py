"""Histogram matching beside SimpleITK's with the reference image itself, and what a model carries of the reference."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from monai.data import MetaTensor

from segkit.config.compose import configure
from segkit.foundation.errors import DataError, UsageError
from segkit.preparation import classic
from segkit.preparation.classic import matching
from segkit.preparation.intensity_transforms import BEFORE, apply_transforms, check_transforms, portable
from segkit.volumes.grid import Grid

TARGET = "segkit.preparation.classic.HistogramMatching"


def head(seed, scale, shape=(40, 36, 30)):
    """Air with noise around two tissues."""
    draw = np.random.default_rng(seed)
    axes = [np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    tissue = np.where(radius < 0.5, 110, np.where(radius < 0.8, 70, 0))
    return (scale * np.abs(tissue + draw.normal(0, 5, shape))).astype(np.float32)


@pytest.fixture
def reference(tmp_path):
    matching.quantiles_of.cache_clear()
    nib.save(nib.Nifti1Image(head(1, 3.0), np.diag([2, 1, 1, 1.0])), tmp_path / "reference.nii.gz")
    return tmp_path / "reference.nii.gz"


@pytest.mark.parametrize("above_mean", [True, False])
@pytest.mark.parametrize("shape", [(40, 36, 30), (120, 110, 1)], ids=["scan", "picture"])
def test_it_is_simpleitks_with_the_reference_itself(reference, shape, above_mean):
    values = head(2, 0.7, shape)
    ours = classic.HistogramMatching(str(reference), bins=256, above_mean=above_mean)(MetaTensor(values[None]))
    whole = head(1, 3.0) if shape[2] > 1 else head(1, 3.0).reshape(40, -1)
    images = [sitk.GetImageFromArray(np.squeeze(array).T) for array in (values, whole)]
    theirs = sitk.GetArrayFromImage(sitk.HistogramMatching(*images, 256, 7, above_mean)).T.reshape(shape)
    assert ours.shape == (1, *shape)
    away = np.abs(np.asarray(ours)[0] - theirs) / np.ptp(theirs)
    assert away.mean() < 0.004
    assert away.max() < 0.04  # just above the threshold, where few voxels are


def test_tissues_come_to_lie_where_those_of_the_reference_are(reference):
    values = head(2, 0.7)
    matched = np.asarray(classic.HistogramMatching(str(reference))(values[None]))[0]
    inner, outer = values > 65, (values > 40) & (values < 58)  # 77 and 49
    assert np.median(matched[inner]) == pytest.approx(330, rel=0.02)
    assert np.median(matched[outer]) == pytest.approx(210, rel=0.02)


def test_known_quantiles_by_hand():
    values = np.arange(101, dtype=np.float32).reshape(1, 101, 1, 1).repeat(4, axis=2)
    line = classic.HistogramMatching(quantiles=[100, 300], bins=1000, above_mean=False)(values)
    np.testing.assert_allclose(line, 100 + 2 * values, atol=2)  # 0 to 100 evenly becomes 100 to 300 evenly
    bent = classic.HistogramMatching(quantiles=[0, 10, 110], points=1, bins=1000, above_mean=False)(values)
    np.testing.assert_allclose(bent, np.interp(values, [0, 50, 100], [0, 10, 110]), atol=2.5)


def test_a_file_is_read_once_in_a_process(reference, monkeypatch):
    first = classic.HistogramMatching(str(reference))
    assert first.quantiles[0] == pytest.approx(head(1, 3.0).min(), rel=1e-5)
    assert first.quantiles[-1] == pytest.approx(head(1, 3.0).max(), rel=1e-5)
    assert first.quantiles[128] == pytest.approx(np.median(head(1, 3.0)), rel=1e-5)
    monkeypatch.chdir(reference.parent)
    reference.unlink()
    assert classic.HistogramMatching(reference.name).quantiles == first.quantiles


def test_what_is_recorded_needs_no_file_and_passes_the_gate(reference):
    words = ["data=paired", "data.root=/x", "preprocessing=histogram_matching"]
    config = configure("prepare", [*words, f"preprocessing.on_scan.0.reference_file={reference}"])
    (typed,) = config.preprocessing.on_scan
    with pytest.raises(DataError, match="would read or download through reference_file"):
        check_transforms([typed], [], key=BEFORE)
    carried = portable(config)
    assert portable(carried) == carried
    assert str(reference) not in str(carried)
    check_transforms(carried.preprocessing.on_scan, [], key=BEFORE)
    before = head(2, 1.0)[None]
    grid = Grid(before.shape[1:], np.eye(4))
    now = apply_transforms(before, grid, [typed], BEFORE)
    reference.unlink()
    matching.quantiles_of.cache_clear()
    np.testing.assert_array_equal(apply_transforms(before, grid, carried.preprocessing.on_scan, BEFORE), now)


def test_a_reference_that_was_not_named_is_told_with_its_key():
    config = configure("prepare", ["data=paired", "data.root=/x", "preprocessing=histogram_matching"])
    with pytest.raises(UsageError, match=r"^preprocessing\.on_scan\.0: HistogramMatching: pass reference_file=FILE"):
        portable(config)


def test_other_transforms_stay_as_they_are():
    mappings = [{"_target_": "monai.transforms.ScaleIntensity", "minv": 0}]
    config = configure("prepare", ["data=paired", "data.root=/x", "preprocessing=bias_field"])
    config = replace(config, preprocessing=replace(config.preprocessing, transforms=mappings))
    assert portable(config) == config
    without = replace(config, preprocessing=replace(config.preprocessing, on_scan=None))
    assert portable(without).preprocessing.on_scan is None


def test_a_reference_that_cannot_serve_is_named(tmp_path):
    matching.quantiles_of.cache_clear()
    coloured, flat, broken, holed = (tmp_path / f"{name}.nii" for name in ("coloured", "flat", "broken", "holed"))
    two = nib.Nifti1Image(np.zeros((4, 4, 4, 1, 2), np.float32), np.eye(4))
    two.header.set_intent("vector")
    nib.save(two, coloured)
    nib.save(nib.Nifti1Image(np.ones((4, 4, 4), np.float32), np.eye(4)), flat)
    nib.save(nib.Nifti1Image(np.full((4, 4, 4), np.nan, np.float32), np.eye(4)), holed)
    broken.write_bytes(flat.read_bytes()[:380])
    said = {coloured: "has 2 channels", flat: "is flat", holed: "NaN", broken: "", tmp_path / "none.nii": "not exist"}
    for path, what in said.items():
        with pytest.raises(UsageError, match=f"reference_file: {path}.*{what}.*; name an image of one channel") as told:
            classic.HistogramMatching(str(path))
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "just one"),
        ({"reference_file": "a", "quantiles": [0, 1]}, "just one"),
        ({"quantiles": [3, 2]}, "from lowest to highest"),
        ({"quantiles": [2, 2]}, "from lowest to highest"),
        ({"quantiles": [1]}, "two or more"),
        ({"quantiles": [0, float("nan")]}, "finite"),
        ({"quantiles": [0, float("inf")]}, "finite"),
        ({"quantiles": "ab"}, "numbers"),
        ({"quantiles": [[0, 1]]}, "numbers"),
        ({"quantiles": [0, 1], "points": 0}, "points=0"),
        ({"quantiles": [0, 1], "bins": 0}, "bins=0"),
    ],
)
def test_mistakes_are_told(arguments, says):
    with pytest.raises(UsageError, match=says):
        classic.HistogramMatching(**arguments)
