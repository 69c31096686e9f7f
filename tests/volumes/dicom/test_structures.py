"""Contours written here with pydicom are drawn where they were meant, on grids of any orientation."""

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTStructureSetStorage

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.structures import read_structures
from segkit.volumes.formats.dicom import read_grid
from segkit.volumes.grid import Grid, affine_from_steps
from tests.volumes.dicom.drawn import changed

SERIES, FRAME, OTHER_FRAME, IMAGE = "1.2.3.4", "1.2.3.5", "1.2.3.6", "1.2.3.7."
SHAPE = (9, 8, 5)
AXIAL = affine_from_steps([(0.7, 0, 0), (0, 0.7, 0), (0, 0, 3)], (-100, 50, 25), space="LPS")
SAGITTAL = affine_from_steps([(0, 0.9, 0), (0, 0, -0.9), (2.5, 0, 0)], (10, -20, 30), space="LPS")
CORONAL = affine_from_steps([(1.1, 0, 0), (0, 0, -1.1), (0, 2, 0)], (10, -20, 30), space="LPS")
TILTED = affine_from_steps([(0.7, 0, 0), (0, 0.7, 0), (0, 0.8, 3)], (-100, 50, 25), space="LPS")  # a gantry's shear
OUTER = [(0.5, 0.5), (6.5, 0.5), (6.5, 5.5), (0.5, 5.5)]
HOLE = [(2.5, 1.5), (4.5, 1.5), (4.5, 4.5), (2.5, 4.5)]
ISLAND = [(2.9, 2.9), (3.2, 2.9), (3.2, 3.2), (2.9, 3.2)]


def contour(corners, k, affine=AXIAL, kind="CLOSED_PLANAR", **changes):
    """Return an item of ContourSequence: corners (i, j) on slice `k`, a fraction or one for each corner."""
    indices = np.column_stack([np.reshape(corners, (-1, 2)), np.broadcast_to(k, len(corners)), np.ones(len(corners))])
    points = (indices @ affine.T)[:, :3] * [-1, -1, 1]
    drawn = Dataset()
    drawn.ContourGeometricType, drawn.NumberOfContourPoints = kind, len(points)
    drawn.ContourData = [f"{value:.6f}" for value in points.ravel()]
    return changed(drawn, **changes)


def with_image(drawn, *uids):
    drawn.ContourImageSequence = [changed(Dataset(), ReferencedSOPInstanceUID=uid) for uid in uids]
    return drawn


def structure_set(rois, **changes):
    """Return an RTSTRUCT whose ROIs, given as {(number, name): contours}, are drawn in reverse order."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = RTStructureSetStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = "1.2.3.1"
    header.PatientName = "Doe^Jane"
    series = with_image(changed(Dataset(), SeriesInstanceUID=SERIES), IMAGE + "1", IMAGE + "2")
    study = changed(Dataset(), RTReferencedSeriesSequence=[series])
    frame = changed(Dataset(), FrameOfReferenceUID=FRAME, RTReferencedStudySequence=[study])
    header.ReferencedFrameOfReferenceSequence = [frame]
    header.StructureSetROISequence = [
        changed(Dataset(), ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=FRAME) for number, name in rois
    ]
    header.ROIContourSequence = [
        changed(Dataset(), ReferencedROINumber=number, ContourSequence=contours)
        for (number, _), contours in reversed(rois.items())
    ]
    return changed(header, **changes)


def save(folder, header, name="rt.dcm"):
    header.save_as(folder / name, enforce_file_format=True)
    return DicomFile(folder / name)


def drawn_on(folder, contours, affine=AXIAL, shape=SHAPE):
    structures = read_structures(save(folder, structure_set({(1, "lung"): contours})))
    return structures.mask_on(1, Grid(shape, affine))


def box(columns, rows, slices):
    mask = np.zeros(SHAPE, bool)
    mask[columns, rows, slices] = True
    return mask


RING = box(slice(1, 7), slice(1, 6), 2) & ~box(slice(3, 5), slice(2, 5), 2)


def test_two_regions_with_a_hole_an_island_and_several_contours_per_slice(tmp_path):
    lung = [contour(OUTER, 2), contour(HOLE, 2), contour(ISLAND, 2), contour([(6.5, 6.5), (9, 6.5), (9, 9)], 2)]
    heart = [contour(HOLE, 0), contour(HOLE, 4, kind="CLOSEDPLANAR_XOR")]
    structures = read_structures(save(tmp_path, structure_set({(7, "lung "): lung, (3, "heart"): heart})))
    assert list(structures.names.items()) == [(7, "lung"), (3, "heart")]
    grid = Grid(SHAPE, AXIAL)
    corner = box([8], [7], 2)  # (7, 7) lies on the triangle's edge, on the side of larger x
    assert np.array_equal(structures.mask_on(7, grid), RING | box(3, 3, 2) | corner | box(7, 7, 2))
    assert np.array_equal(structures.mask_on(3, grid), box(slice(3, 5), slice(2, 5), [[0], [4]]))


@pytest.mark.parametrize("affine", [AXIAL, SAGITTAL, CORONAL, TILTED, "oblique", "sheared"], ids=str)
def test_grids_of_any_orientation(tmp_path, affine, request):
    affine = request.getfixturevalue(affine) if isinstance(affine, str) else affine
    assert np.array_equal(drawn_on(tmp_path, [contour(OUTER, 2, affine), contour(HOLE, 2, affine)], affine), RING)


def test_a_region_that_is_not_there_is_refused(tmp_path):
    structures = read_structures(save(tmp_path, structure_set({(1, "lung"): [contour(OUTER, 0)]})))
    with pytest.raises(DataError, match=r"rt\.dcm: has no region 2"):
        structures.mask_on(2, Grid(SHAPE, AXIAL))


def test_a_picture_has_no_place_for_contours(tmp_path):
    with pytest.raises(GeometryError, match=r"rt\.dcm: lies in the patient, and the picture"):
        drawn_on(tmp_path, [contour(OUTER, 0)], affine=np.eye(4), shape=(9, 8))


def test_a_number_that_is_infinite_is_refused_in_one_line(tmp_path):
    header = structure_set({(1, "lung"): [contour(OUTER, 0)]})
    header.StructureSetROISequence[0].add_new("ROINumber", "FD", np.inf)
    with pytest.raises(DataError, match=r"rt\.dcm: is no DICOM object, or damaged"):
        read_structures(save(tmp_path, header))


def test_a_grid_of_one_slice(tmp_path):
    mask = drawn_on(tmp_path, [contour(OUTER, 0), contour(HOLE, 1)], shape=(9, 8, 1))
    assert np.array_equal(mask[..., 0], box(slice(1, 7), slice(1, 6), 0)[..., 0])


@pytest.mark.parametrize("seed", range(5))
def test_random_contours_are_drawn_as_matplotlib_draws_them(tmp_path, seed):
    rng = np.random.default_rng(seed)
    contours = [(k, rng.uniform(-3, 12, (rng.integers(3, 20), 2))) for k in rng.integers(0, 5, 12)]
    mask = drawn_on(tmp_path, [contour(corners, k, TILTED) for k, corners in contours], TILTED)
    centres = np.stack(np.meshgrid(*map(np.arange, SHAPE[:2]), indexing="ij"), axis=-1).reshape(-1, 2)
    expected = np.zeros(SHAPE, bool)
    for k, corners in contours:
        inside = Outline(np.vstack([corners, corners[:1]])).contains_points(centres)
        expected[..., k] ^= inside.reshape(SHAPE[:2])
    assert np.array_equal(mask, expected)


def test_planes_snap_to_the_nearest_slice_and_unite_there(tmp_path):
    square, inner = box(slice(1, 7), slice(1, 6), 1), box(slice(3, 5), slice(2, 5), 1)
    assert np.array_equal(drawn_on(tmp_path, [contour(OUTER, 1.45)]), square)
    assert np.array_equal(drawn_on(tmp_path, [contour(OUTER, 0.8), contour(HOLE, 1.2)]), square)
    assert np.array_equal(drawn_on(tmp_path, [contour(OUTER, 0.98), contour(HOLE, 1.02)]), square & ~inner)
    assert np.array_equal(drawn_on(tmp_path, [contour(OUTER, [0.9, 1, 1.1, 1])]), square)


@pytest.mark.parametrize(("k", "slices"), [(-0.6, []), (-0.45, [0]), (4.45, [4]), (4.6, []), (-1e5, []), (1e5, [])])
def test_planes_outside_the_grid_are_left_out(tmp_path, k, slices):
    mask = drawn_on(tmp_path, [contour(OUTER, k)])
    assert np.flatnonzero(mask.any(axis=(0, 1))).tolist() == slices


def test_noise_does_not_say_on_which_side_of_a_contour_a_centre_lies(tmp_path):
    rng = np.random.default_rng(0)
    corners = np.array([(i, 1) for i in range(1, 7)] + [(i, 5) for i in range(6, 0, -1)], float)
    noisy = [contour(corners + rng.uniform(-2e-5, 2e-5, corners.shape), k) for k in range(5)]
    assert np.array_equal(drawn_on(tmp_path, noisy), box(slice(1, 6), slice(1, 5), slice(0, 5)))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_what_it_was_drawn_on(tmp_path, syntax):
    header = structure_set({(1, "lung"): [with_image(contour(OUTER, 2), IMAGE + "2", IMAGE + "3")]})
    header.file_meta.TransferSyntaxUID = syntax
    structures = read_structures(save(tmp_path, header))
    assert structures.series == (SERIES,)
    assert structures.instances == {IMAGE + "1", IMAGE + "2", IMAGE + "3"}
    assert structures.frame_of_reference == FRAME


def test_references_may_be_absent(tmp_path):
    header = structure_set({(1, "lung"): [contour(OUTER, 2)]}, ReferencedFrameOfReferenceSequence=None)
    header.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = ""
    structures = read_structures(save(tmp_path, header))
    assert (structures.series, structures.instances, structures.frame_of_reference) == ((), frozenset(), "")
    assert structures.mask_on(1, Grid(SHAPE, AXIAL)).sum() == 30
    header.FrameOfReferenceUID = OTHER_FRAME
    assert read_structures(save(tmp_path, header)).frame_of_reference == OTHER_FRAME


@pytest.mark.parametrize("keyword", ["StructureSetROISequence", "ROIContourSequence"])
def test_without_regions_there_are_no_names(tmp_path, keyword):
    for value in (None, []):
        header = structure_set({(1, "lung"): [contour(OUTER, 2)]}, **{keyword: value})
        assert read_structures(save(tmp_path, header)).names == {}


def test_only_regions_with_closed_contours_are_named(tmp_path):
    point, line = contour(OUTER[:1], 1, kind="POINT"), contour(OUTER, 2, kind="OPEN_PLANAR")
    rois = {(1, "isocentre"): [point], (2, "wire"): [line], (3, "lung"): [point, line, contour(HOLE, 3)], (4, ""): []}
    header = structure_set(rois)
    del header.ROIContourSequence[0].ContourSequence  # of ROI 4
    structures = read_structures(save(tmp_path, header))
    assert structures.names == {3: "lung"}
    assert np.array_equal(structures.mask_on(3, Grid(SHAPE, AXIAL)), box(slice(3, 5), slice(2, 5), 3))


def test_contours_that_enclose_nothing_draw_nothing(tmp_path):
    empty = contour(OUTER, 1, ContourData="", NumberOfContourPoints=None)
    assert not drawn_on(tmp_path, [empty, contour(OUTER[:1], 1), contour(OUTER[:2], 2)]).any()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ContourData": ["1"] * 10}, "10 values"),
        ({"ContourData": ["1"] * 8 + ["1e400"], "NumberOfContourPoints": 3}, "9 values"),
        ({"ContourData": ["1"] * 8 + ["1e9"], "NumberOfContourPoints": 3}, "9 values"),
        ({"NumberOfContourPoints": 5}, "4 points where NumberOfContourPoints (3006,0046) says 5"),
    ],
)
def test_a_damaged_contour_spoils_its_own_region_only(tmp_path, changes, said):
    rois = {(1, "Doe"): [contour(OUTER, 2), contour(HOLE, 2, **changes)], (2, "lung"): [contour(OUTER, 2)]}
    structures = read_structures(save(tmp_path, structure_set(rois)))
    assert structures.mask_on(2, Grid(SHAPE, AXIAL)).any()
    with pytest.raises(DataError) as error:
        structures.mask_on(1, Grid(SHAPE, AXIAL))
    message = str(error.value)
    assert message.startswith(f"{tmp_path / 'rt.dcm'}: ContourData (3006,0050) of ROI 1, contour 2 holds")
    assert said in message
    assert "Doe" not in message


def test_bytes_that_are_no_numbers_are_named(tmp_path):
    file = save(tmp_path, structure_set({(71, "lung"): [contour(OUTER, 2)]}))
    as_written = file.path.read_bytes()
    file.path.write_bytes(as_written.replace(b"\x06\x30\x22\x00IS\x02\x0071", b"\x06\x30\x22\x00IS\x02\x00x1"))
    with pytest.raises(DataError, match=r"rt\.dcm: ROINumber \(3006,0022\)"):
        read_structures(file)
    first = str(contour(OUTER, 2).ContourData[0]).encode()
    assert first in as_written
    file.path.write_bytes(as_written.replace(first, b"?" * len(first)))
    with pytest.raises(DataError, match=r"rt\.dcm: ContourData \(3006,0050\) of ROI 71, contour 1 holds other than"):
        read_structures(file).mask_on(71, Grid(SHAPE, AXIAL))


@pytest.mark.parametrize("size", range(1, 1000, 53))
def test_a_file_that_is_cut_short_is_never_drawn_in_part(tmp_path, size):
    file = save(tmp_path, structure_set({(n, "lung"): [contour(OUTER, k) for k in range(3)] for n in (1, 2)}))
    file.path.write_bytes(file.path.read_bytes()[:-size])
    with pytest.raises(DataError) as error:
        read_structures(file)
    assert str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_contours_across_the_slices_are_refused(tmp_path):
    with pytest.raises(
        GeometryError, match=r"rt\.dcm: ContourData \(3006,0050\) of ROI 1, contour 2 spreads over 2 sl"
    ):
        drawn_on(tmp_path, [contour(OUTER, 2), contour(OUTER, [1, 1, 3, 3])])


def test_a_region_of_another_frame_of_reference_is_refused(tmp_path):
    header = structure_set({(n, f"part {n}"): [contour(OUTER, 2)] for n in (1, 2, 3)})
    header.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = OTHER_FRAME
    structures = read_structures(save(tmp_path, header))
    assert structures.frame_of_reference == FRAME
    assert structures.mask_on(2, Grid(SHAPE, AXIAL)).any()
    with pytest.raises(GeometryError, match=r"rt\.dcm: ReferencedFrameOfReferenceUID \(3006,0024\) of ROI 1"):
        structures.mask_on(1, Grid(SHAPE, AXIAL))


def test_regions_of_one_number_are_refused(tmp_path):
    header = structure_set({(1, "left"): [contour(OUTER, 2)], (2, "right"): [contour(OUTER, 2)]})
    header.StructureSetROISequence[1].ROINumber = 1
    with pytest.raises(DataError, match=r"rt\.dcm: ROINumber \(3006,0022\) is 1 of two regions"):
        read_structures(save(tmp_path, header))


def test_other_objects_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"rt\.dcm: SOPClassUID \(0008,0016\)"):
        read_structures(save(tmp_path, structure_set({}, SOPClassUID=CTImageStorage)))


def test_the_phantom_of_ibsi_has_its_published_volume(dicom_archive):
    phantom = dicom_archive / "dicomseg" / "ibsi1_ct_phantom"
    structures = read_structures(DicomFile(phantom / "mask" / "DCM_RS_00060.dcm"))
    grid = read_grid(phantom / "image")
    assert structures.names == {1: "GTV-1"}
    assert len(structures.instances) == 60  # though none of its contours has a ContourImageSequence
    volume = structures.mask_on(1, grid).sum() * np.prod(grid.spacing)
    assert volume == pytest.approx(359_000, rel=0.002)  # mm3, by counting voxels, configuration A


def test_structures_of_rt_utils_cover_the_area_of_their_contours(dicom_archive):
    folder = dicom_archive / "dicomseg" / "rt-utils" / "tests" / "mock_data"
    grid = read_grid(folder)  # slices at 60 and 65 mm
    structures = read_structures(DicomFile(folder / "invalid_reference_rt.dcm"))
    assert list(structures.names.values()) == ["ROI-1", "ROI-2", "ROI-3", "ROI-4"]
    for number, region in structures.regions.items():
        areas = {65.0: 0.0, 60.0: 0.0, 70.0: 0.0}  # 70 mm lies outside the grid
        for drawn in region.contours:
            x, y, z = np.array(drawn.ContourData, float).reshape(-1, 3).T
            areas[z[0]] += abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2  # mm2
        counted = structures.mask_on(number, grid).sum(axis=(0, 1)) * np.prod(grid.spacing[:2])
        np.testing.assert_allclose(counted, [areas[60.0], areas[65.0]], rtol=0.02)
