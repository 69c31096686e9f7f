"""Grids by hand: spacing from positions, every slice's corner where its header says, gaps named or filled."""

import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segkit.foundation.errors import GeometryError
from segkit.volumes.dicom.geometry import MOST_SLICES, even_places, grid_of, missing_places
from segkit.volumes.reading import read, read_grid

ORIENTATIONS = {  # rows, columns, step from slice to slice; all LPS
    "axial": ([1, 0, 0], [0, 1, 0], [0, 0, 3]),
    "axial from the top": ([1, 0, 0], [0, 1, 0], [0, 0, -3]),
    "sagittal": ([0, 1, 0], [0, 0, -1], [3, 0, 0]),
    "coronal": ([1, 0, 0], [0, 0, -1], [0, 3, 0]),
    "feet first": ([-1, 0, 0], [0, 1, 0], [0, 0, 3]),
    "decubitus": ([0, -1, 0], [1, 0, 0], [0, 0, 3]),
    "prone": ([-1, 0, 0], [0, -1, 0], [0, 0, 3]),
    "oblique": (Ellipsis, Ellipsis, [2.5 * x for x in (0.168, -0.576, 0.8)]),
    "tilted gantry": ([1, 0, 0], [0, 0.94, -0.341174], [0, 0, 3]),
    "tilted the other way": ([1, 0, 0], [0, 0.94, 0.341174], [0, 0, 3]),
    "doubly tilted": ([1, 0, 0], [0, 1, 0], [0.4, -0.7, 3]),
}


def series_in(maker, kind, slices=4):
    row, column, step = ORIENTATIONS[kind]
    axes = [*maker.row, *maker.column] if row is Ellipsis else [*row, *column]
    return maker.series(slices, step=step, ImageOrientationPatient=axes)


def at(maker, offsets, **changes):
    """Slices at places along the normal in mm, each of pixels 10 * mm."""
    headers = []
    for offset in offsets:
        header = maker.slice(step=maker.normal, **changes)
        header.ImagePositionPatient = maker.position(offset, maker.normal)
        maker.with_pixels(header, np.full((4, 5), round(10 * offset), np.uint16))
        headers.append(header)
    return headers


@pytest.mark.parametrize("kind", ORIENTATIONS)
def test_every_corner_lies_where_its_header_says(maker, tmp_path, lps, kind):
    headers = series_in(maker, kind)
    volume = read(maker.save(tmp_path / "a", headers))
    row, column = (np.array(headers[0].ImageOrientationPatient[start : start + 3], float) for start in (0, 3))
    for z in range(4):
        first = int(volume.array[0, 0, 0, z] + 1024) // 100
        corner = np.array(headers[first].ImagePositionPatient, float)
        np.testing.assert_allclose(lps(volume, (0, 0, z)), corner, atol=1e-4)
        np.testing.assert_allclose(lps(volume, (4, 3, z)), corner + 4 * 1.3 * row + 3 * 0.7 * column, atol=1e-4)
    assert volume.grid.is_sheared == ("tilted" in kind)
    assert np.array_equal(read_grid(tmp_path / "a").affine, volume.affine)


@pytest.mark.parametrize("kind", [kind for kind in ORIENTATIONS if "tilted" not in kind])
def test_plain_series_read_as_simpleitk_reads_them(maker, tmp_path, ras_affine, kind):
    folder = maker.save(tmp_path / "a", series_in(maker, kind))
    volume = read(folder)
    image = SimpleITK.ReadImage(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    np.testing.assert_allclose(volume.affine, ras_affine(image), atol=1e-4)
    assert np.array_equal(volume.array[0], SimpleITK.GetArrayFromImage(image).T)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1),
    st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=2),
    st.floats(0.5, 9),
    st.permutations(range(3)),
)
def test_any_orientation_and_shear_keeps_each_corner(maker, tmp_path, lps, quaternion, shear, gap, order):
    w, *vector = np.array(quaternion) / np.linalg.norm(quaternion)
    x, y, z = vector
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    rotation = np.eye(3) + 2 * w * skew + 2 * skew @ skew
    row, column, normal = rotation.T
    step = gap * (normal + shear[0] * row + shear[1] * column)
    axes = [round(float(value), 8) for value in (*row, *column)]
    headers = maker.series(3, step=step, ImageOrientationPatient=axes)
    folder = maker.save(tmp_path / "a", [headers[index] for index in order])
    volume = read(folder)
    for index in range(3):
        assert volume.array[0, 0, 0, index] == 100 * index - 1024
        np.testing.assert_allclose(lps(volume, (0, 0, index)), headers[index].ImagePositionPatient, atol=1e-4)


def test_the_spacing_between_slices_is_that_of_the_positions(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3, SpacingBetweenSlices=77, SliceThickness=0.1))
    assert read(folder).spacing[2] == pytest.approx(2.5, abs=1e-5)


@pytest.mark.parametrize(("thickness", "spacing"), [(9.0, 9.0), (0, 1.0), (None, 1.0), (-2, 2.0)])
def test_one_slice_is_as_thick_as_it_says(maker, tmp_path, thickness, spacing):
    folder = maker.save(tmp_path / "a", maker.series(1, SliceThickness=thickness, SpacingBetweenSlices=77))
    volume = read(folder)
    assert volume.array.shape == (1, 5, 4, 1)
    np.testing.assert_allclose(volume.spacing, (1.3, 0.7, spacing))
    np.testing.assert_allclose(volume.affine[:3, 2] * [-1, -1, 1], spacing * maker.normal, atol=1e-6)


def test_missing_slices_are_named_by_position(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series([0, 1, 3, 4, 7]), list("abcde"))
    message = maker.refused(
        lambda: read(folder),
        f"{folder}: has uneven gaps between slices by ImagePositionPatient (0020,0032)",
        "5 mm from b to c, 7.5 mm from d to e",
        "3 slices are missing, at [-99.16, 47.12, 29]",
        "dicom.gaps=resample",
        error=GeometryError,
    )
    assert "2.5 mm, but" in message


def test_gaps_that_are_no_multiples_are_named_by_file(maker, tmp_path):
    folder = maker.save(tmp_path / "a", at(maker, [0, 2, 4, 7, 9]), list("abcde"))
    message = maker.refused(lambda: read(folder), "2 mm, but 3 mm from c to d;", error=GeometryError)
    assert "missing" not in message
    drifting = np.cumsum([1.0, *np.linspace(1, 1.07, 40)])
    folder = maker.save(tmp_path / "b", at(maker, drifting), [f"{index:02d}" for index in range(41)])
    maker.refused(lambda: read(folder), "has uneven gaps", error=GeometryError)


def test_two_slices_in_the_same_place_are_named(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series([0, 1, 1, 2]), list("abcd"))
    for gaps in ("refuse", "resample"):
        words = "has two slices in the same place (b and c by ImagePositionPatient (0020,0032))"
        maker.refused(lambda gaps=gaps: maker.read(folder, gaps=gaps), words, error=GeometryError)


def test_positions_rounded_by_the_scanner_are_even(maker, tmp_path):
    headers = maker.series(5)
    for header in headers:
        header.ImagePositionPatient = [round(float(x), 1) for x in header.ImagePositionPatient]
    assert read(maker.save(tmp_path / "a", headers)).grid.shape == (5, 4, 5)


def test_missing_slices_are_filled_linearly(maker, tmp_path, lps):
    folder = maker.save(tmp_path / "a", at(maker, [0, 2, 8, 10]))
    volume = maker.read(folder, gaps="resample")
    assert volume.array.dtype == np.int16
    assert volume.array[0, 0, 0].tolist() == [10 * place - 1024 for place in (0, 2, 4, 6, 8, 10)]
    np.testing.assert_allclose(lps(volume, (0, 0, 5)), maker.position(10, maker.normal), atol=1e-5)
    assert volume.spacing[2] == pytest.approx(2, abs=1e-5)


def test_uneven_slices_are_resampled_to_the_usual_gap(maker, tmp_path, lps):
    folder = maker.save(tmp_path / "a", at(maker, [0, 2, 4, 7, 9], RescaleSlope="0.5"))
    volume = maker.read(folder, gaps="resample")
    assert volume.array.dtype == np.float32
    places = np.linspace(0, 9, round(9 / 2) + 1)  # 9 mm in steps as near to 2 mm as they come
    np.testing.assert_allclose(volume.array[0, 0, 0], 5 * places - 1024, atol=1e-3)
    np.testing.assert_allclose(lps(volume, (0, 0, len(places) - 1)), maker.position(9, maker.normal), atol=1e-5)


def test_even_slices_are_left_as_they_are(maker, tmp_path):
    folder = maker.save(tmp_path / "a", maker.series(3))
    assert np.array_equal(maker.read(folder, gaps="resample").array, read(folder).array)


def test_slices_that_leave_their_line_make_no_grid(maker, tmp_path):
    headers = maker.series(4)
    headers[1].ImagePositionPatient = [float(x) for x in np.array(maker.position(1)) + 3 * maker.row]
    folder = maker.save(tmp_path / "a", headers)
    maker.refused(lambda: read(folder), "ImagePositionPatient (0020,0032)", error=GeometryError)
    words = "its slices do not follow one line: ImagePositionPatient (0020,0032)"
    maker.refused(lambda: maker.read(folder, gaps="resample"), words, error=GeometryError)


@pytest.mark.parametrize("offsets", [[0, 0.01, 900_000], [0, 0.01, 0.02, 900_000]])
def test_a_gap_of_a_million_slices_takes_no_memory(maker, tmp_path, offsets):
    headers = at(maker, [0] * len(offsets))
    for header, offset in zip(headers, offsets, strict=True):
        header.ImagePositionPatient = maker.position(offset, maker.normal)
    folder = maker.save(tmp_path / "a", headers)
    (stack,) = maker.stacks(folder)
    assert len(missing_places(stack.planes)) <= MOST_SLICES
    maker.refused(lambda: read(folder), "has uneven gaps", error=GeometryError)
    if len(offsets) == 3:  # half the way is the usual gap
        assert maker.read(folder, gaps="resample").array.shape == (1, 5, 4, 3)
    else:
        words = "an even grid by ImagePositionPatient (0020,0032) would have 90000000 slices"
        maker.refused(lambda: maker.read(folder, gaps="resample"), words, error=GeometryError)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=5))
def test_filled_places_hold_every_slice_that_is_there(maker, tmp_path, gaps):
    offsets = np.concatenate([[0], np.cumsum(gaps)]) * 1.5
    folder = tmp_path / "-".join(map(str, gaps))
    (stack,) = maker.stacks(maker.save(folder, at(maker, offsets), [f"{index}" for index in range(len(offsets))]))
    if min(gaps) == max(gaps):
        assert grid_of(stack).shape[2] == len(offsets)
        return
    places, step = even_places(stack.planes)
    assert np.linalg.norm(step) == pytest.approx(places[1], abs=1e-4)
    if all(gap % min(gaps) == 0 for gap in gaps):
        assert np.abs(places[:, None] - offsets).min(axis=0).max() < 1e-4
        assert len(missing_places(stack.planes)) == len(places) - len(offsets)
    assert (places[0], places[-1]) == (0, pytest.approx(offsets[-1], abs=1e-4))


def test_pictures_lie_flat(maker, tmp_path):
    changes = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "Modality": "DX"}
    volume = read(maker.save(tmp_path / "a", maker.series(1, **changes)))
    assert volume.array.shape == (1, 5, 4)
    assert np.array_equal(volume.affine, np.diag([1.3, 0.7, 1, 1]))
