"""Each transform beside the library that computes it, called by hand, and on a case whose outcome is known."""

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from monai.data import MetaTensor
from monai.transforms import Compose
from scipy import ndimage
from skimage import exposure, filters

from segkit.foundation.errors import MissingExtraError, UsageError
from segkit.preparation import classic
from segkit.preparation.intensity_transforms import BEFORE, apply_transforms, check_transforms
from segkit.volumes.grid import Grid

AFFINE = np.diag([-2.0, 1.5, 3.0, 1.0])
DRAW = np.random.default_rng(0)
NOISE = DRAW.gamma(2, 50, (20, 18, 16)).astype(np.float32)


def through(transform, values):
    result = transform(MetaTensor(values[None], affine=AFFINE))
    assert isinstance(result, MetaTensor)
    assert np.array_equal(result.affine, AFFINE)
    assert result.shape == (1, *values.shape)
    return np.asarray(result)[0]


def itk_image(values):
    image = sitk.GetImageFromArray(values.transpose(2, 1, 0))
    image.SetSpacing((2.0, 1.5, 3.0))
    return image


def phantom_with_field():
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij"))
    anatomy = ((grid**2).sum(0) < 0.7).astype(np.float32) * 400 + ((grid**2).sum(0) < 0.2) * 200
    return anatomy, (anatomy * np.exp(0.4 * grid[0] + 0.3 * grid[1] ** 2)).astype(np.float32)


def test_n4_takes_a_known_field_out():
    anatomy, biased = phantom_with_field()
    corrected = through(classic.BiasFieldCorrection(shrink=2), biased)

    def variation(values):
        shell = values[anatomy == 400]
        return shell.std() / shell.mean()

    assert variation(corrected) < 0.25 * variation(biased)


def test_n4_is_simpleitks():
    _, biased = phantom_with_field()
    image = itk_image(biased)
    mask = sitk.OtsuThreshold(image, 0, 1, 200)
    filter_ = sitk.N4BiasFieldCorrectionImageFilter()
    filter_.SetMaximumNumberOfIterations([10, 10])
    filter_.Execute(sitk.Shrink(image, [4] * 3), sitk.Shrink(mask, [4] * 3))
    by_hand = image / sitk.Exp(sitk.Cast(filter_.GetLogBiasFieldAsImage(image), sitk.sitkFloat32))
    ours = through(classic.BiasFieldCorrection(iterations=[10, 10]), biased)
    np.testing.assert_allclose(ours, sitk.GetArrayFromImage(by_hand).transpose(2, 1, 0), rtol=1e-4)


def test_clahe_is_scikit_images_within_the_range_of_the_image():
    ours = through(classic.AdaptiveContrast(clip=0.02, tile=6), NOISE)
    unit = (NOISE - NOISE.min()) / np.ptp(NOISE)
    theirs = exposure.equalize_adapthist(unit, 6, 0.02) * np.ptp(NOISE) + NOISE.min()
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    picture = through(classic.AdaptiveContrast(), NOISE[:, :, :1])
    assert picture.shape == (20, 18, 1)


def test_curvature_flow_is_simpleitks_and_spares_edges():
    ours = through(classic.CurvatureDenoise(iterations=4), NOISE)
    theirs = sitk.GetArrayFromImage(sitk.CurvatureFlow(itk_image(NOISE), 0.0625, 4)).transpose(2, 1, 0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert ours.std() < NOISE.std()
    assert through(classic.CurvatureDenoise(), NOISE[:, :, :1]).shape == (20, 18, 1)


@pytest.mark.parametrize("operation", ["opening", "white_tophat"])
def test_morphology_keeps_or_removes_what_is_smaller_than_the_ball(operation):
    values = np.zeros((12, 12, 12), np.float32)
    values[2, 2, 2], values[5:10, 5:10, 5:10] = 9, 5
    changed = through(classic.Morphology(operation, 1), values)
    assert changed[2, 2, 2] == (0 if operation == "opening" else 9)
    assert changed[7, 7, 7] == (5 if operation == "opening" else 0)
    cross = ndimage.generate_binary_structure(3, 1)
    np.testing.assert_array_equal(
        through(classic.Morphology("dilation", 1), NOISE), ndimage.grey_dilation(NOISE, footprint=cross)
    )


def test_vesselness_finds_the_tube():
    grid = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"))
    tube = (((grid[:2] - 10) ** 2).sum(0) < 5).astype(np.float32) * 100
    ours = through(classic.Vesselness(radii=[2.0]), tube)
    np.testing.assert_allclose(ours, filters.frangi(tube, sigmas=[2.0], black_ridges=False), rtol=1e-5)
    assert ours[10, 10, 10] > 10 * ours[2, 2, 10]


def test_the_table_goes_and_the_airways_stay():
    values = np.full((24, 24, 10), -1000, np.float32)
    values[4:18, 4:20] = 40
    values[9:12, 9:12] = -900  # a trachea, open at both ends
    values[21:23, 2:22] = 200  # a table
    kept = through(classic.KeepBody(threshold=-300, outside=-1024), values)
    assert (kept[21:23] == -1024).all()
    assert (kept[9:12, 9:12] == -900).all()
    assert (kept[4:18, 4:20] == values[4:18, 4:20]).all()
    otsu = through(classic.KeepBody(), values)
    assert (otsu[21:23] == -1000).all()


def test_channels_are_chosen_and_others_stay():
    two = np.stack([NOISE, NOISE])
    changed = np.asarray(classic.Morphology("erosion", channels=[1])(two))
    assert np.array_equal(changed[0], NOISE)
    assert not np.array_equal(changed[1], NOISE)
    with pytest.raises(UsageError, match="an image that has 2"):
        classic.Morphology("erosion", channels=[2])(two)


def test_they_compose_with_monais_and_pass_both_gates():
    names = ("BiasFieldCorrection", "AdaptiveContrast", "CurvatureDenoise", "KeepBody", "KeepBrain", "Vesselness")
    mappings = [{"_target_": f"segkit.preparation.classic.{name}"} for name in names]
    check_transforms(mappings, [], key=BEFORE)
    result = apply_transforms(NOISE[None], Grid(NOISE.shape, AFFINE), mappings[1:4], BEFORE)
    chain = Compose([classic.AdaptiveContrast(), classic.CurvatureDenoise(), classic.KeepBody()])
    np.testing.assert_allclose(result, np.asarray(chain(MetaTensor(NOISE[None], affine=AFFINE))), rtol=1e-5)


def test_flat_images_stay():
    flat = np.full((8, 8, 8), 3, np.float32)
    matching = classic.HistogramMatching(quantiles=[0, 1])
    others = (classic.BiasFieldCorrection, classic.AdaptiveContrast, classic.KeepBody, classic.KeepBrain)
    for transform in (matching, *(make() for make in others)):
        np.testing.assert_array_equal(through(transform, flat), flat)


def test_mistakes_are_told(monkeypatch):
    for make, said in (
        (lambda: classic.Morphology("openning"), "operation=openning is not one of .*did you mean opening"),
        (lambda: classic.Morphology("erosion", 0), "radius=0: a ball has a radius of 1"),
        (lambda: classic.AdaptiveContrast(clip=2), "clip=2.* is not between 0 and 1"),
        (lambda: classic.Vesselness(method="frangy"), "method=frangy is not one of .*did you mean frangi"),
    ):
        with pytest.raises(UsageError, match=said):
            make()
    monkeypatch.setitem(__import__("sys").modules, "SimpleITK", None)
    with pytest.raises(MissingExtraError, match=r"segkit\[classic\]"):
        classic.CurvatureDenoise()(NOISE[None])
