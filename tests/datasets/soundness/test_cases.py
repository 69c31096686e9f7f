import numpy as np
import pytest
from PIL import Image

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.datasets.soundness import examine, examine_headers, unusable
from segkit.datasets.soundness.cases import Reference, classes_of, label_volumes
from segkit.datasets.soundness.findings import ADVICE
from segkit.volumes.grid import Grid
from segkit.volumes.label_values import value_counts
from tests.datasets.soundness.conftest import CHANNELS, LABELS, SHAPE, volume

NUDGED = np.eye(4) + np.eye(4, k=3) * 1e-6
SHIFTED = np.eye(4) + np.eye(4, k=3) * 3
MIRRORED = np.diag([-1.0, 1, 1, 1])
COARSE = np.diag([1.0, 1, 1.3, 1])


def codes(findings):
    return [(finding.severity, finding.code) for finding in findings]


def with_voxel(array, value, dtype=None):
    changed = array.astype(dtype or array.dtype)
    changed[1, 2, 3] = value
    return changed


def test_a_sound_case_has_no_finding(make_case):
    examined = examine(make_case(affine=NUDGED), CHANNELS, LABELS)
    assert examined.findings == ()
    assert examined.measurements.shape == SHAPE
    assert examined.measurements.volumes["tip"] == pytest.approx((volume(0)[1] == 2).sum() / 1000)


IMAGE, REFERENCE = volume(0)
FAULTS = {
    "shape-mismatch": {"reference": REFERENCE[1:]},
    "affine-mismatch": {"affine": SHIFTED},
    "spacing-mismatch": {"affine": COARSE},
    "unexpected-label-value": {"reference": with_voxel(REFERENCE, 7)},
    "non-integer-label": {"reference": with_voxel(REFERENCE, 0.5, np.float32)},
    "non-finite": {"image": with_voxel(IMAGE, np.nan)},
    "constant-image": {"image": np.full(SHAPE, 42, np.int16)},
    "channel-count": {"image": np.stack([IMAGE, IMAGE], axis=-1)},
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_within_a_case_is_found_and_nothing_else(code, make_case):
    found = examine(make_case(**FAULTS[code]), CHANNELS, LABELS).findings
    assert codes(found) == [("error", code)]
    assert found[0].message.endswith(ADVICE[code])
    assert found[0].file


@pytest.mark.parametrize("affine", [MIRRORED, SHIFTED])
def test_a_turned_affine_is_a_mismatch_for_the_quick_look_too(affine, make_case):
    assert codes(examine_headers(make_case(affine=affine), CHANNELS)) == [("error", "affine-mismatch")]


def test_infinite_references_and_empty_ones(make_case):
    infinite = make_case("a", reference=with_voxel(REFERENCE, np.inf, np.float32))
    assert codes(examine(infinite, CHANNELS, LABELS).findings) == [("error", "non-finite")]
    empty = make_case("b", reference=np.zeros(SHAPE, np.uint8))
    assert codes(examine(empty, CHANNELS, LABELS).findings) == [("warning", "empty-reference")]


@pytest.mark.parametrize("content", [b"", b"text named .nii.gz", None])
def test_files_that_cannot_be_read(content, make_case):
    case = make_case()
    path = case.images["MR"]
    path.write_bytes(path.read_bytes()[:400] if content is None else content)
    assert codes(examine(case, CHANNELS, LABELS).findings) == [("error", "unreadable")]
    assert list(unusable(examine_headers(case, CHANNELS))) in ([case.name], [])  # a cut file may have a whole header


def test_missing_files_are_named_by_both_looks(make_case, tmp_path):
    case = make_case()
    without = Case("a", {"MR": tmp_path / "gone.nii.gz"}, tmp_path / "no.nii.gz")
    expected = [("error", "missing-image"), ("error", "missing-reference")]
    assert codes(examine(without, CHANNELS, LABELS).findings) == expected
    assert codes(examine_headers(without, CHANNELS)) == expected
    unlabelled = Case("a", case.images)
    assert examine(unlabelled, CHANNELS, LABELS).findings == ()
    two = {"MR": Channel("mr"), "T2": Channel("mr")}
    missing = examine_headers(case, two)
    assert codes(missing) == [("error", "missing-image")]
    assert "T2" in missing[0].message


def test_channels_on_other_grids_are_errors_unless_resampled(make_case, write):
    case = make_case()
    coarse = write("images/t2.nii.gz", np.random.default_rng(1).random((18, 20, 8)), np.diag([1.0, 1, 2, 1]))
    both = Case("a", {**case.images, "T2": coarse}, case.reference)
    assert codes(examine(both, {**CHANNELS, "T2": Channel("mr")}, LABELS).findings) == [("error", "shape-mismatch")]
    assert examine(both, {**CHANNELS, "T2": Channel("mr", "MR")}, LABELS).findings == ()


def test_ignored_values_and_regions_are_declared(make_case):
    labels = labels_from({"background": 0, "whole": [1, 2], "tip": 2, "ignore": 9}, [1, 2])
    assert examine(make_case(reference=with_voxel(REFERENCE, 9)), CHANNELS, labels).findings == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_reference_is_found(axis, make_case):
    found = examine(make_case(reference=np.flip(REFERENCE, axis).copy()), CHANNELS, LABELS).findings
    assert codes(found) == [("warning", "mirrored-reference")]
    assert f"array axis {axis}" in found[0].message


def test_channels_in_one_file_are_read_as_declared(write, make_case):
    case, two = make_case(), {"T1": Channel("mr"), "T2": Channel("mr")}
    both = write("images/both.nii.gz", np.stack([IMAGE, np.full(SHAPE, 3, np.float32)], axis=-1))
    found = examine(Case("a", dict.fromkeys(two, both), case.reference), two, LABELS).findings
    assert codes(found) == [("error", "constant-image")]
    assert found[0].message.startswith("T2 is 3 everywhere")
    (both.parent / "both.nii.gz").write_bytes(b"")
    assert codes(examine_headers(Case("a", dict.fromkeys(two, both), case.reference), two)) == [("error", "unreadable")]


def test_a_reference_of_several_channels_is_refused(make_case):
    found = examine(make_case(reference=np.stack([REFERENCE, REFERENCE], axis=-1)), CHANNELS, LABELS).findings
    assert codes(found) == [("error", "channel-count")]
    assert found[0].file.endswith("labels/a.nii.gz")


def test_a_channel_that_is_resampled_must_meet_the_other(make_case, write):
    case = make_case()
    channels = {**CHANNELS, "T2": Channel("mr", "MR")}
    far = np.eye(4)
    far[0, 3] = 500
    away = write("images/t2.nii.gz", IMAGE, far)
    found = examine_headers(Case("a", {**case.images, "T2": away}, case.reference), channels)
    assert codes(found) == [("error", "affine-mismatch")]
    assert "no place in common" in found[0].message
    near = np.diag([2.0, 2, 2, 1])
    path = write("images/t2.nii.gz", IMAGE, near)
    assert examine_headers(Case("a", {**case.images, "T2": path}, case.reference), channels) == []


def test_a_channel_elsewhere_is_not_compared_where_the_first_is_missing(make_case, write, tmp_path):
    case = make_case()
    other = write("images/t2.nii.gz", IMAGE[:9], COARSE)
    images = {"MR": tmp_path / "gone.nii.gz", "T2": other}
    found = examine_headers(Case("a", images, case.reference), {**CHANNELS, "T2": Channel("mr", "MR")})
    assert codes(found) == [("error", "missing-image")]


def test_an_interpolated_reference_is_not_called_empty(make_case):
    found = examine(make_case(reference=(REFERENCE > 0) * np.float32(0.25)), CHANNELS, LABELS).findings
    assert codes(found) == [("error", "non-integer-label")]


def test_colours_and_pictures(tmp_path):
    labels = labels_from({"background": "#000000", "mole": "#FF8000"})
    spot = np.indices((40, 30)).sum(0) < 30
    photo = np.where(spot[..., None], (150, 90, 60), (230, 190, 170)) + np.random.default_rng(0).normal(
        0, 9, (40, 30, 3)
    )
    drawn = np.where(spot[..., None], (255, 128, 0), (0, 0, 0)).astype(np.uint8)
    Image.fromarray(photo.astype(np.uint8)).save(tmp_path / "a.jpg")
    Image.fromarray(drawn).save(tmp_path / "a.png")
    case, channels = Case("a", {"photo": tmp_path / "a.jpg"}, tmp_path / "a.png"), {"photo": Channel("rgb")}
    sound = examine(case, channels, labels)
    assert sound.findings == ()
    assert sound.measurements.volumes["mole"] == pytest.approx(spot.sum() / 1000)
    drawn[3, 4] = (1, 2, 3)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    assert codes(examine(case, channels, labels).findings) == [("error", "unexpected-label-value")]
    Image.fromarray(photo.astype(np.uint8)).convert("L").save(tmp_path / "a.jpg")
    assert ("error", "channel-count") in codes(examine(case, channels, labels).findings)


def test_many_labels_are_numbered_alike_however_they_are_stored():
    labels = labels_from({"background": 0, "one": [1, 70_000], "two": 9, "ignore": 5})
    values = np.array([[0, 1, 9], [5, 70_000, 0]])
    for dtype in (np.uint32, np.int32, np.float64):
        stored = values.astype(dtype)
        reference = Reference(stored, Grid((2, 3), np.eye(4)), *value_counts(stored))
        assert classes_of(reference, labels).tolist() == [[0, 2, 3], [-1, 2, 0]]
        assert label_volumes(reference, labels) == {"one": pytest.approx(0.002), "two": pytest.approx(0.001)}
