"""Segments become label values on the grid of their series."""

import numpy as np
import pytest
from highdicom.seg import segread

from segkit.foundation.errors import DataError, GeometryError
from segkit.volumes.dicom.files import DicomFile
from segkit.volumes.dicom.references import (
    ReferenceSelection,
    Stroke,
    belongs_to,
    drawn_on,
    matching,
    plain_name,
    read_drawn,
)
from segkit.volumes.dicom.selection import DEFAULTS, selections
from segkit.volumes.dicom.series import find_series
from segkit.volumes.reading import read
from tests.volumes.dicom.drawn import (
    LESION,
    LIVER,
    ORIGIN,
    SHAPE,
    STEP,
    changed,
    grid_of,
    save,
    series,
    write_seg,
    write_structures,
)


@pytest.fixture
def ct(tmp_path):
    """A series in a folder, and the slices that were written."""
    slices = series()
    save(tmp_path / "ct", slices)
    return slices


def pick(folder):
    (only,) = selections(find_series(folder), folder, DEFAULTS)
    return only


def test_what_is_drawn_later_lies_over_what_was_drawn_before(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER, "lesion": LESION}))
    chosen = pick(tmp_path / "ct")
    over = ReferenceSelection(chosen, (Stroke(3, file, 1), Stroke(7, file, 2))).read()
    assert np.array_equal(over.array[0], np.select([LESION, LIVER], [7, 3], 0))
    under = ReferenceSelection(chosen, (Stroke(7, file, 2), Stroke(3, file, 1))).read()
    assert np.array_equal(under.array[0], np.where(LIVER, 3, 0))  # the lesion lies inside
    assert over.array.dtype == np.uint8
    np.testing.assert_allclose(over.affine, grid_of().affine, atol=1e-5)


@pytest.mark.parametrize(("value", "kind"), [(255, np.uint8), (256, np.uint16), (70000, np.uint32), (-1, np.int32)])
def test_values_are_of_the_smallest_type_that_holds_them(tmp_path, ct, value, kind):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER}))
    drawn = ReferenceSelection(pick(tmp_path / "ct"), (Stroke(value, file, 1),)).read()
    assert drawn.array.dtype == kind
    assert np.array_equal(drawn.array[0], np.where(LIVER, value, 0))


def test_segments_overlap_and_lack_planes_as_highdicom_reads_them(tmp_path, ct):
    draw = np.random.default_rng(0)
    masks = {name: draw.random(SHAPE) < 0.3 for name in ("a", "b", "c")}
    masks["b"][..., ::2] = False  # sparse: planes of one segment only, and one of none
    for mask in masks.values():
        mask[..., 3] = False
    path = write_seg(tmp_path / "seg.dcm", ct, masks)
    uids = [one.SOPInstanceUID for one in ct]
    theirs = segread(path).get_pixels_by_source_instance(
        uids, segment_numbers=[1, 2, 3], assert_missing_frames_are_empty=True
    )
    stacked = theirs.transpose(3, 2, 1, 0) > 0
    expected = np.select([*stacked[::-1]], [3, 2, 1], 0)
    assert np.array_equal(drawn_on(path, tmp_path / "ct", DEFAULTS).read().array[0], expected)


def test_boxes_of_a_structure_set_are_drawn_where_they_are(tmp_path, ct):
    rois = {"Leber": ((1, 8), (2, 8), (1, 5)), "Metastase": ((3, 6), (4, 7), (2, 4))}
    drawn = drawn_on(write_structures(tmp_path / "rt.dcm", ct, rois), tmp_path / "ct", DEFAULTS).read()
    assert np.array_equal(drawn.array[0], np.select([LESION, LIVER], [2, 1], 0))


def test_content_tells_what_is_drawn_how_and_on_what(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER, "lesion": LESION}))
    chosen = pick(tmp_path / "ct")

    def content(*strokes):
        return tuple(ReferenceSelection(chosen, strokes).content())

    one, two = Stroke(1, file, 1), Stroke(2, file, 2)
    known = {content(one), content(two), content(one, two), content(two, one), content(Stroke(2, file, 1), two)}
    assert len(known) == 5
    before = content(one)
    (tmp_path / "ct" / "IM000").write_bytes((tmp_path / "ct" / "IM000").read_bytes() + b"\0")
    assert content(one) != before


NAMES = {1: "Left Kidney", 2: "kidney_LEFT", 3: "Kidney right", 4: "Tumor GTV-1", 5: "left-kidney"}


@pytest.mark.parametrize(
    ("label", "patterns", "found"),
    [
        ("left_kidney", None, [1, 5]),
        ("Left Kidney", None, [1, 5]),
        ("kidney", None, []),
        ("any", ["*KIDNEY*"], [1, 2, 3, 5]),
        ("any", ["*gtv-?", 3], [3, 4]),
        ("any", [2, 2, "kidney_left"], [2]),
        ("any", ["2"], []),
        ("any", [], []),
    ],
)
def test_segments_are_found_by_name_pattern_or_number(label, patterns, found):
    assert matching(NAMES, label, patterns) == found


def test_a_plain_name_has_no_case_and_no_gaps():
    assert {plain_name(name) for name in ("Left Kidney", "left_kidney", "LEFT-KIDNEY", "leftkidney")} == {"leftkidney"}


def test_segments_belong_to_the_series_that_they_name_else_to_that_of_their_images_else_of_their_frame(tmp_path):
    first, second = series("first"), series("second")  # of one study, in one frame of reference
    foreign = series("foreign", patient="pseudonym 2")
    for name, slices in (("first", first), ("second", second), ("foreign", foreign)):
        save(tmp_path / name, slices)
    one, two, other = (pick(tmp_path / name) for name in ("first", "second", "foreign"))
    rois = {"a": ((1, 3), (1, 3), (1, 3))}

    def drawn(name, **changes):
        return read_drawn(DicomFile(write_structures(tmp_path / f"{name}.dcm", first, rois, **changes)))

    def owners(drawing):
        return [belongs_to(drawing, each) for each in (one, two, other)]

    assert owners(drawn("by_uid")) == [True, False, False]
    assert owners(drawn("by_frame", ReferencedFrameOfReferenceSequence=None)) == [True, True, False]
    by_image = write_seg(tmp_path / "by_image.dcm", second, {"a": LIVER}, changes={"ReferencedSeriesSequence": None})
    assert owners(read_drawn(DicomFile(by_image))) == [False, True, False]


def test_a_mask_is_drawn_on_the_series_it_names_among_others(tmp_path, ct):
    save(tmp_path / "export", ct)
    save(tmp_path / "export" / "b", series("b", patient="pseudonym 2"))
    path = write_seg(tmp_path / "export" / "seg.dcm", ct, {"liver": LIVER})
    drawn = drawn_on(path, tmp_path / "export", DEFAULTS)
    assert drawn.series.stacks[0].first.series == ct[0].SeriesInstanceUID
    with pytest.raises(DataError, match=r"seg\.dcm was drawn on one series, and .*export holds none of that UID"):
        drawn_on(write_seg(path, series("c"), {"liver": LIVER}), tmp_path / "export", DEFAULTS)


def test_what_is_no_reference_is_refused_by_name(tmp_path, ct):
    with pytest.raises(DataError, match=r"IM000: is no DICOM SEG and no structure set, but CT"):
        drawn_on(tmp_path / "ct" / "IM000", tmp_path / "ct", DEFAULTS)


def test_segments_of_another_grid_are_refused(tmp_path, ct):
    moved = [changed(one, ImagePositionPatient=[*(ORIGIN + [1, 0, 0] + k * STEP)]) for k, one in enumerate(series())]
    path = write_seg(tmp_path / "seg.dcm", moved, {"liver": LIVER})
    with pytest.raises(GeometryError, match=r"seg\.dcm: .*\(0020,0032\)"):
        drawn_on(path, tmp_path / "ct", DEFAULTS).read()


def test_a_fault_is_said_when_the_reference_is_read(tmp_path, ct):
    chosen = pick(tmp_path / "ct")
    with pytest.raises(DataError, match="drawn twice"):
        ReferenceSelection(chosen, (), "drawn twice").read()
    with pytest.raises(DataError, match="drawn twice"):
        ReferenceSelection(chosen, (), "drawn twice").read_grid()


def test_a_selection_reads_through_the_same_door_as_files(tmp_path, ct):
    file = DicomFile(write_seg(tmp_path / "seg.dcm", ct, {"liver": LIVER}))
    drawn = ReferenceSelection(pick(tmp_path / "ct"), (Stroke(1, file, 1),))
    assert np.array_equal(read(drawn).array[0], LIVER)
    assert (drawn.size, drawn.parent, drawn.exists()) == (file.size, tmp_path, True)
    file.path.unlink()
    assert not drawn.exists()
