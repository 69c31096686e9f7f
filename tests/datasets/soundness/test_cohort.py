from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.datasets.soundness import compare, examine, leaks
from segkit.datasets.soundness.outliers import robust_z
from segkit.datasets.splits import Split
from tests.datasets.soundness.conftest import CHANNELS, LABELS, volume

THICK = np.diag([1.0, 1, 5, 1])


def findings(cases, channels=CHANNELS):
    return list(compare([examine(case, channels, LABELS) for case in cases], channels, 6.0))


def codes(cases, channels=CHANNELS):
    return [(finding.case, finding.severity, finding.code) for finding in findings(cases, channels)]


@pytest.fixture
def cohort(make_case):
    return [make_case(f"c{index}", index) for index in range(8)]


def test_a_sound_cohort_has_no_finding(cohort):
    assert codes(cohort) == []


def test_the_same_image_twice_is_one_finding_on_the_later_case(cohort, make_case, tmp_path):
    voxels = make_case("x", 3, image=volume(3)[0].astype(np.float64))
    copied = tmp_path / "images" / "y.nii.gz"
    copied.write_bytes(cohort[4].images["MR"].read_bytes())
    twins = findings([*cohort, voxels, Case("y", {"MR": copied}, cohort[4].reference)])
    assert [(twin.case, twin.code) for twin in twins] == [("x", "duplicate-image"), ("y", "duplicate-image")]
    assert "the voxels of c3" in twins[0].message
    assert "the bytes of c4" in twins[1].message


def test_outliers_of_every_kind(cohort, make_case):
    image, reference = volume(20)
    thick = make_case("thick", 20, image_affine=THICK, affine=THICK)
    found = codes([*cohort, thick])
    assert ("thick", "warning", "spacing-outlier") in found
    loud = make_case("loud", 21, image=volume(21)[0] * 1000)
    assert codes([*cohort, loud]) == [("loud", "warning", "intensity-outlier")]
    small = np.zeros_like(reference)
    small[5, 5, 5], small[5, 5, 6] = 1, 2
    assert ("small", "warning", "label-volume-outlier") in codes([*cohort, make_case("small", 22, reference=small)])
    large = make_case("large", 23, image=np.tile(image, (4, 1, 1)), reference=np.tile(reference, (4, 1, 1)))
    assert ("large", "warning", "size-outlier") in codes([*cohort, large])


def test_a_ct_that_is_not_in_hu_is_far_off(make_case):
    ct = {"MR": Channel("ct")}
    cases = [make_case(f"c{index}", index) for index in range(8)]
    shifted = make_case("raw", 30, image=volume(30)[0] + 1024)
    assert ("raw", "warning", "intensity-outlier") in codes([*cases, shifted], ct)
    assert codes(cases, ct) == []


def test_what_is_unusable_does_not_blur_the_others(cohort, make_case):
    broken = make_case("broken", 9, image=np.full((18, 20, 16), 7, np.int16))
    assert codes([*cohort, broken]) == []


def test_robust_z_by_hand():
    assert robust_z([1, 2, 3, 4, 100], 0.1) == pytest.approx([0.6745 * n for n in (-2, -1, 0, 1, 97)])
    assert robust_z([5, 5, 5, 5, 6], 0.5) == pytest.approx([0, 0, 0, 0, 0.6745 * 2])
    assert robust_z([1, 100], 0.1) == [0, 0]


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=30), st.floats(-1e5, 1e5))
def test_robust_z_does_not_change_with_an_offset(values, offset):
    moved = robust_z([value + offset for value in values], 1.0)
    assert moved == pytest.approx(robust_z(values, 1.0), abs=1e-3, rel=1e-6)


def test_leaks_by_patient_and_by_image():
    cases = {name: Case(name, {"MR": Path(name)}, None, {"patient": name[0]}) for name in ("p1", "p2", "q1", "r1")}
    split = Split(("p1", "q1"), ("p2",), ("r1",))
    images = {"q1": ["same"], "r1": ["same"]}
    found = [(leak.case, leak.severity, leak.code) for leak in leaks(cases, split, "patient", images)]
    assert found == [("p2", "error", "leak"), ("r1", "error", "leak")]
    assert not list(leaks(cases, split, None, {}))


@pytest.mark.parametrize("seed", range(3))
def test_faults_put_into_real_cases_are_found(seed, segkit_data, tmp_path):
    draw = np.random.default_rng(seed)
    folder = segkit_data / "hippocampus"
    labels = {"background": 0, "anterior": 1, "posterior": 2}
    names = sorted(path.name for path in (folder / "images").iterdir())
    cases = [Case(name, {"MR": folder / "images" / name}, folder / "labels" / name) for name in draw.choice(names, 12)]
    for case in {case.name: case for case in cases}.values():
        stored = nib.load(case.reference)
        array, affine = np.asarray(stored.dataobj), stored.affine
        assert examine(case, CHANNELS, labels_from(labels)).findings == ()
        place = tuple(draw.integers(0, n) for n in array.shape)
        stray = array.copy()
        stray[place] = draw.choice([3, 7, 250])
        moved = affine.copy()
        moved[draw.integers(0, 3), 3] += draw.choice([-2.0, 0.1, 5.0])
        faults = {
            "unexpected-label-value": (stray, affine),
            "affine-mismatch": (array, moved),
            "shape-mismatch": (np.delete(array, 0, axis=draw.integers(0, 3)), affine),
        }
        for code, (changed, at) in faults.items():
            path = tmp_path / case.name
            nib.save(nib.Nifti1Image(changed, at), path)
            found = examine(Case(case.name, case.images, path), CHANNELS, labels_from(labels)).findings
            assert [finding.code for finding in found] == [code]


def test_mirrored_references_among_real_cases_are_found(segkit_data, tmp_path):
    folder = segkit_data / "hippocampus"
    labels = labels_from({"background": 0, "anterior": 1, "posterior": 2})
    names = sorted(path.name for path in (folder / "images").iterdir())[:24]
    cases = [Case(name, {"MR": folder / "images" / name}, folder / "labels" / name) for name in names]
    turned = []
    for place, axis in ((3, 0), (11, 1), (19, 2)):
        stored = nib.load(cases[place].reference)
        path = tmp_path / names[place]
        nib.save(nib.Nifti1Image(np.flip(np.asarray(stored.dataobj), axis).copy(), stored.affine), path)
        turned.append(Case(f"turned_{place}", cases[place].images, path))
    for each in (cases, [*cases[:3], *cases[4:11], *cases[12:19], *cases[20:], *turned]):
        examined = [examine(case, CHANNELS, labels) for case in each]
        found = [finding for one in examined for finding in one.findings]
        found += compare(examined, CHANNELS, 6.0)
        suspected = {finding.case for finding in found if finding.code == "mirrored-reference"}
        assert suspected == ({case.name for case in turned} if each is not cases else set())
