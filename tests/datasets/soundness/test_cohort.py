from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.channels import Channel
from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.datasets.soundness import Examination, compare, examine
from segkit.datasets.soundness.cases import Measurements
from segkit.datasets.soundness.cohort import alike_names, mirrored
from segkit.datasets.soundness.mirrored import Mirroring
from segkit.datasets.soundness.outliers import robust_z
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


def test_the_worst_axis_speaks_for_all(cohort, make_case):
    coarse = np.diag([3.0, 3, 8, 1])
    found = findings([*cohort, make_case("coarse", 20, image_affine=coarse, affine=coarse)])
    assert [(each.case, each.code) for each in found] == [("coarse", "spacing-outlier")]
    assert "8 mm inferior-superior among a median of 1" in found[0].message


def test_spacing_is_compared_along_the_worlds_axes(cohort, make_case):
    turned = np.diag([1.0, 1, 5, 1])[:, [2, 0, 1, 3]]  # 5 mm slices stored first
    thick = [make_case(f"t{index}", index + 20, image_affine=THICK, affine=THICK) for index in range(8)]
    same = make_case("same", 30, image_affine=turned, affine=turned)
    assert not [finding for finding in findings([*thick, same]) if finding.code == "spacing-outlier"]


def test_an_offset_is_an_outlier_as_is_a_factor(cohort, make_case):
    assert codes([*cohort, make_case("high", 21, image=volume(21)[0] + 10_000)]) == [
        ("high", "warning", "intensity-outlier")
    ]


def test_a_cohort_without_a_scale_is_told_once(make_case):
    scaled = [make_case(f"c{i:02}", i, image=volume(i)[0] * (1000 if i in (3, 8) else 1)) for i in range(12)]
    found = [finding for finding in findings(scaled) if finding.code == "intensity-outlier"]
    assert [(finding.case, finding.severity) for finding in found] == [("", "warning")]
    assert "2 of 12 cases are far from the others (c03, c08)" in found[0].message


def test_a_label_that_one_case_alone_lacks(cohort, make_case):
    image, reference = volume(30)
    more = [make_case(f"d{index}", index + 40) for index in range(4)]
    bare = make_case("bare", 30, image=image, reference=np.minimum(reference, 1))
    found = findings([*cohort, *more, bare])
    assert [(each.case, each.code) for each in found] == [("bare", "label-volume-outlier")]
    assert "it has no tip, as 12 of 13 cases do" in found[0].message


def test_names_that_differ_in_capitals_alone():
    alike = [Examination(Case(name, {}), ()) for name in ("Case_1", "case_1", "case_2")]
    assert [(each.case, each.code) for each in alike_names(alike)] == [("case_1", "alike-names")]


def doubtful(name, ratio):
    mirroring = Mirroring(0, ratio, is_certain=False)
    return Examination(Case(name, {}, Path(name)), (), Measurements((1.0,), (1.0,), mirroring=mirroring))


def test_a_cohort_settles_what_one_case_leaves_open():
    sound = [doubtful(f"c{index}", 0.7 + index / 100) for index in range(11)]
    assert [each.case for each in mirrored([*sound, doubtful("odd", 1.4)])] == ["odd"]
    assert not list(mirrored([*sound, doubtful("little", 1.1)]))  # as much better as a sound one may be worse
    assert not list(mirrored([*sound[:5], doubtful("odd", 1.4)]))
    soft = [doubtful(f"s{index}", 0.9 + index / 50) for index in range(12)]
    assert not list(mirrored([*soft, doubtful("odd", 1.4)]))  # here edges tell nothing


def test_mirrored_real_references_are_found_and_no_sound_one(segkit_data, tmp_path):
    folder, labels = segkit_data / "hippocampus", labels_from({"background": 0, "anterior": 1, "posterior": 2})
    draw = np.random.default_rng(0)
    names = draw.choice(sorted(path.name for path in (folder / "images").iterdir()), 60, replace=False)
    cases = [Case(name, {"MR": folder / "images" / name}, folder / "labels" / name) for name in names]
    sound = [examine(case, CHANNELS, labels) for case in cases]
    assert not [each.findings for each in sound if each.findings]
    assert not list(mirrored(sound))
    alone = together = 0
    for case in cases[:30]:
        stored = nib.load(case.reference)
        path = tmp_path / case.name
        turned = np.flip(np.asarray(stored.dataobj), draw.integers(0, 3)).copy()
        nib.save(nib.Nifti1Image(turned, stored.affine), path)
        odd = examine(Case(f"odd_{case.name}", case.images, path), CHANNELS, labels)
        alone += [finding.code for finding in odd.findings] == ["mirrored-reference"]
        together += bool(odd.findings) or [each.case for each in mirrored([*sound, odd])] == [odd.case.name]
    assert alone >= 24
    assert together >= 28
