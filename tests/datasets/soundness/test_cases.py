import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.datasets.soundness import examine, examine_headers, unusable
from segkit.datasets.soundness.cases import voxel_hash
from segkit.datasets.soundness.findings import ADVICE
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


@given(hnp.arrays(np.int16, (1, 3, 4, 2)), st.sampled_from([np.int32, np.float32, np.float64]))
def test_equal_voxels_have_one_hash_whatever_their_type(array, dtype):
    assert voxel_hash(array) == voxel_hash(array.astype(dtype)) == voxel_hash(np.asfortranarray(array))
    changed = array.copy()
    changed[0, 1, 2, 1] ^= 1
    assert voxel_hash(changed) != voxel_hash(array)
    assert voxel_hash(array.reshape(1, 4, 3, 2)) != voxel_hash(array)
