from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from segkit.preparation.grids import cropped, orthogonal, reoriented, respaced
from segkit.preparation.resampling import axis_maps, image_onto, labels_onto, slanted_onto
from segkit.volumes.grid import Grid, affine_from

ORIENTATIONS = ["".join(codes) for order in permutations(("LR", "PA", "IS")) for codes in product(*order)]
SOURCE = Grid((14, 11, 6), affine_from((0.8, 1.1, 3.0), (-20, 5, 40)))


def noise(shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100, 50, shape).astype(np.float32)


def blobs(shape, labels=4, seed=0) -> np.ndarray:
    """Smooth random regions of the values 0 .. labels - 1."""
    fields = np.random.default_rng(seed).normal(size=(labels, *shape))
    return np.stack([ndimage.gaussian_filter(field, 1.2) for field in fields]).argmax(0).astype(np.uint8)


def sheared(tilt=0.4, shape=(9, 10, 7)) -> Grid:
    affine = affine_from((1.0, 1.2, 2.0), (4, -3, 2))
    affine[1, 2] = tilt
    return Grid(shape, affine)


def index_places(source: Grid, target: Grid) -> np.ndarray:
    """For each voxel of the target its fractional index in the source, (3, *shape)."""
    matrix = np.linalg.inv(source.affine) @ target.affine
    indices = np.indices(target.shape).reshape(3, -1)
    return (matrix[:3, :3] @ indices + matrix[:3, 3:]).reshape(3, *target.shape)


def itk_image(array: np.ndarray, grid: Grid) -> SimpleITK.Image:
    image = SimpleITK.GetImageFromArray(array.T)
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / grid.spacing).ravel().tolist())
    return image


def itk_resampled(array: np.ndarray, source: Grid, target: Grid, interpolator: int) -> np.ndarray:
    like = itk_image(np.zeros(target.shape, np.float32), target)
    return SimpleITK.GetArrayFromImage(SimpleITK.Resample(itk_image(array, source), like, interpolator=interpolator)).T


def one_hot_choice(labels: np.ndarray, source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The label of the largest linear share, and where no two shares tie; all values of 0..K-1 occur."""
    places = np.clip(index_places(source, target), 0, np.array(source.shape)[:, None, None, None] - 1)
    shares = np.stack([
        ndimage.map_coordinates((labels == value).astype(float), places, order=1) for value in range(labels.max() + 1)
    ])  # fmt: skip
    highest = np.sort(shares, axis=0)
    return shares.argmax(0), highest[-1] - highest[-2] > 1e-5


def line(values, dtype=np.float32) -> np.ndarray:
    return np.array(values, dtype)[:, None, None]


def test_interpolation_by_hand():
    two, four = Grid((2, 1, 1), np.eye(4)), Grid((4, 1, 1), affine_from((0.5, 1, 1), (-0.25, 0, 0)))
    # Centres of the four lie at -0.25, 0.25, 0.75 and 1.25 voxels of the two; edges are repeated.
    assert image_onto(line([0, 8]), two, four, order=1).ravel().tolist() == [0, 2, 6, 8]
    assert image_onto(line([0, 10, 20, 40]), four, two, order=1).ravel().tolist() == [5, 30]
    np.testing.assert_allclose(image_onto(line([7, 7]), two, four, order=3), 7, rtol=1e-6)


def test_labels_by_hand():
    four, eight = Grid((4, 1, 1), np.eye(4)), Grid((8, 1, 1), affine_from((0.5, 1, 1), (-0.25, 0, 0)))
    doubled = labels_onto(line([1, 1, 9, 0], np.uint8), four, eight)
    assert doubled.ravel().tolist() == [1, 1, 1, 1, 9, 9, 0, 0]
    assert doubled.dtype == np.uint8
    assert labels_onto(doubled, eight, four).ravel().tolist() == [1, 1, 9, 0]


def test_a_share_of_one_half_is_background():
    two, one = Grid((2, 1, 1), np.eye(4)), Grid((1, 1, 1), affine_from((2, 1, 1), (0.5, 0, 0)))
    assert labels_onto(line([5, 0], np.uint8), two, one).item() == 0
    assert labels_onto(line([5, 3], np.uint8), two, one).item() == 3  # of two labels the smaller


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", [(21, 7, 6), (9, 11, 13), (14, 30, 3), (14, 11, 1)])
def test_images_equal_scipys_zoom(order, shape):
    array = noise(SOURCE.shape)
    spacing = [size * own / new for size, own, new in zip(SOURCE.shape, SOURCE.spacing, shape, strict=True)]
    target = respaced(SOURCE, spacing)
    assert target.shape == shape
    factors = np.divide(shape, SOURCE.shape)
    expected = ndimage.zoom(array.astype(float), factors, order=order, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(image_onto(array, SOURCE, target, order=order), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("codes", ["RAS", "PIR", "SLA"])
def test_images_equal_simpleitks_resampling(codes):
    array = ndimage.gaussian_filter(noise((24, 22, 20)), 1)
    source = Grid((24, 22, 20), affine_from((1.0, 1.2, 1.5), (3, -8, 11)))
    target = respaced(reoriented(source, codes), (0.9, 1.0, 1.1))
    places = index_places(source, target)
    reach = np.array(source.shape)[:, None, None, None] - 1
    inside = ((places >= 0) & (places <= reach)).all(0)
    linear = itk_resampled(array, source, target, SimpleITK.sitkLinear)
    np.testing.assert_allclose(image_onto(array, source, target, order=1)[inside], linear[inside], rtol=1e-4)
    deep = ((places >= 6) & (places <= reach - 6)).all(0)  # ITK mirrors the image at its border, we repeat it
    spline = itk_resampled(array, source, target, SimpleITK.sitkBSpline3)
    np.testing.assert_allclose(image_onto(array, source, target, order=3)[deep], spline[deep], rtol=2e-3)
    assert deep.sum() > 500


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_turning_axes_moves_voxels_bit_for_bit(codes):
    array, labels = noise(SOURCE.shape), blobs(SOURCE.shape)
    target = reoriented(SOURCE, codes)
    turned, turned_labels = image_onto(array, SOURCE, target), labels_onto(labels, SOURCE, target)
    for index in [(0, 0, 0), (13, 0, 5), (4, 9, 2)]:
        there = tuple(np.rint(SOURCE.index_to(target) @ [*index, 1])[:3].astype(int))
        assert turned[there] == array[index]
        assert turned_labels[there] == labels[index]
    assert np.array_equal(image_onto(turned, target, SOURCE), array)
    assert np.array_equal(labels_onto(turned_labels, target, SOURCE), labels)


def test_its_own_grid_changes_nothing_and_returns_new_memory():
    array = noise(SOURCE.shape)
    same = image_onto(array, SOURCE, SOURCE)
    assert np.array_equal(same, array)
    assert not np.shares_memory(same, array)
    labels = blobs(SOURCE.shape)
    assert not np.shares_memory(labels_onto(labels, SOURCE, SOURCE), labels)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, ">i2", np.float64])
def test_any_real_dtype_becomes_float32(dtype):
    array = (noise(SOURCE.shape) > 100).astype(dtype)
    target = respaced(SOURCE, (1, 1, 1))
    result = image_onto(array, SOURCE, target, order=1)
    assert result.dtype == np.float32
    assert np.array_equal(result, image_onto(array.astype(np.float32), SOURCE, target, order=1))


@pytest.mark.parametrize("shape", [(21, 7, 6), (9, 17, 13), (5, 5, 5)])
def test_labels_equal_one_hot_interpolation_and_argmax(shape):
    labels = blobs(SOURCE.shape, labels=5)
    target = reoriented(respaced(SOURCE, np.divide(SOURCE.shape, shape) * SOURCE.spacing), "LSA")
    expected, clear = one_hot_choice(labels, SOURCE, target)
    assert np.array_equal(labels_onto(labels, SOURCE, target)[clear], expected[clear])
    assert clear.mean() > 0.7


def test_labels_of_a_sheared_grid_equal_one_hot_interpolation_and_argmax():
    source = sheared()
    labels = blobs(source.shape, labels=5)
    target = orthogonal(source)
    expected, clear = one_hot_choice(labels, source, target)
    places = index_places(source, target)
    size = np.array(source.shape)[:, None, None, None]
    expected[((places < -0.501) | (places > size - 0.499)).any(0)] = 0
    assert np.array_equal(labels_onto(labels, source, target)[clear], expected[clear])


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("tilt", [0.004, 0.02, 0.4, -1.1])
def test_a_sheared_image_equals_scipys_map_coordinates(order, tilt):
    source = sheared(tilt, (9, 40, 30))
    target = orthogonal(source)
    array = noise(source.shape)
    result = image_onto(array, source, target, order=order, fill=-5)
    places = index_places(source, target)
    size = np.array(source.shape)[:, None, None, None]
    inside = ((places > -0.499) & (places < size - 0.501)).all(0)
    outside = ((places < -0.501) | (places > size - 0.499)).any(0)
    expected = ndimage.map_coordinates(array.astype(float), places, order=order, mode="nearest")
    np.testing.assert_allclose(result[inside], expected[inside], rtol=1e-3, atol=0.05)
    assert (result[outside] == -5).all()
    assert inside.mean() > 0.4


@pytest.mark.parametrize("order", [1, 3])
def test_the_general_way_agrees_with_the_separable_one(order):
    array = noise(SOURCE.shape)
    target = respaced(reoriented(cropped(SOURCE, (slice(2, 12), slice(0, 11), slice(1, 6))), "SRP"), (2.0, 0.9, 1.3))
    general = slanted_onto(array, SOURCE, target, order, 0.0)
    np.testing.assert_allclose(general, image_onto(array, SOURCE, target, order=order), rtol=1e-3, atol=0.02)


def test_a_mask_returns_onto_a_sheared_grid():
    source = sheared(0.6, (20, 20, 16))
    x, y, z = np.indices(source.shape)
    labels = ((x - 9) ** 2 + (y - 9) ** 2 + 2 * (z - 4) ** 2 < 49).astype(np.uint8)  # cut by the first slice
    target = respaced(orthogonal(source), (0.9, 1.0, 1.5))
    back = labels_onto(labels_onto(labels, source, target), target, source)
    assert dice(back, labels) > 0.97
    assert back[:, :, 0].any()


@pytest.mark.parametrize("spacing", [(None, None, None), (0.5, 1.7, 2.0)])
def test_beyond_the_outer_faces_lies_the_fill(spacing):
    array = noise(SOURCE.shape)
    box = (slice(3, 9), slice(2, 8), slice(1, 5))
    part = respaced(cropped(SOURCE, box), spacing)
    values = image_onto(array[box], cropped(SOURCE, box), part)
    result = image_onto(values, part, SOURCE, fill=-1000)
    outside = np.ones(SOURCE.shape, bool)
    outside[box] = False
    assert (result[outside] == -1000).all()
    assert (result[box] != -1000).all()
    assert not labels_onto(np.ones(part.shape, np.uint8), part, SOURCE)[outside].any()


def test_grids_that_cross_have_no_axis_maps():
    assert axis_maps(sheared(), orthogonal(sheared())) is None
    maps = axis_maps(SOURCE, reoriented(SOURCE, "SPL"))
    assert [axis_map.source_axis for axis_map in maps] == [2, 1, 0]
    assert maps[0].exact.tolist() == [0, 1, 2, 3, 4, 5]
    assert maps[1].exact.tolist() == list(range(10, -1, -1))


def test_an_empty_label_map_stays_empty():
    empty = np.zeros(SOURCE.shape, np.uint8)
    assert not labels_onto(empty, SOURCE, respaced(SOURCE, (1, 1, 1))).any()


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.count_nonzero(first & second) / (np.count_nonzero(first) + np.count_nonzero(second))


@settings(deadline=None, max_examples=25)
@given(
    centre=st.tuples(*[st.floats(8, 12)] * 3),
    radii=st.tuples(*[st.floats(5, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.45, 1.0)] * 3),
    codes=st.sampled_from(ORIENTATIONS),
)
def test_a_smooth_shape_survives_the_way_to_finer_voxels_and_back(centre, radii, spacing, codes):
    source = Grid((21, 21, 21), affine_from((1, 1, 1), (3, 4, 5)))
    offsets = np.indices(source.shape) - np.array(centre)[:, None, None, None]
    shape = ((offsets / np.array(radii)[:, None, None, None]) ** 2).sum(0) < 1
    finer = respaced(reoriented(source, codes), spacing)
    back = labels_onto(labels_onto(shape.astype(np.uint8), source, finer), finer, source)
    assert dice(back, shape) > 0.97


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 4.0)] * 3),
    values=st.lists(st.integers(-3, 300), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_no_value_is_invented(shape, spacing, values, seed):
    source = Grid(shape, affine_from((1.0, 1.3, 2.0)))
    labels = np.random.default_rng(seed).choice(np.array(values, np.int16), shape)
    target = respaced(source, spacing)
    result = labels_onto(labels, source, target)
    assert result.dtype == labels.dtype
    assert set(np.unique(result)) <= {0, *values}
    image = image_onto(labels, source, target, order=1)
    assert image.min() >= labels.min() - 1e-3
    assert image.max() <= labels.max() + 1e-3
