from dataclasses import replace

import numpy as np
import pytest

from segkit.datasets import Case
from segkit.foundation.errors import DataError, GeometryError
from segkit.preparation import fingerprint as module
from segkit.preparation.fingerprint import CaseFingerprint, fingerprint, fingerprint_case
from segkit.volumes.grid import affine_from

LABELS = {"background": 0, "first": 1, "second": 2}


def read(case, **changes):
    return fingerprint_case(case, **{"channels": 1, "orientation": "RAS", "labels": LABELS, **changes})


def test_shape_and_spacing_are_those_of_the_oriented_crop(write_case):
    case = write_case(shape=(14, 12, 9))  # of which the first two along x and the last along y are black
    found = read(case)
    assert (found.shape, found.spacing) == ((12, 11, 9), pytest.approx((1.0, 1.2, 2.5)))
    turned = read(case, orientation="SPR")
    assert (turned.shape, turned.spacing) == ((9, 11, 12), pytest.approx((2.5, 1.2, 1.0)))
    assert read(case, orientation=None).shape == (12, 11, 9)


def test_the_foreground_is_what_lies_under_labels(write_nifti):
    image = np.arange(24, dtype=np.int16).reshape(2, 3, 4) + 1
    reference = np.zeros((2, 3, 4), np.uint8)
    reference[0, 1, 2], reference[1, 2, 3] = 1, 2
    case = Case("a", {"MR": write_nifti("image.nii", image)}, write_nifti("reference.nii", reference))
    found = read(case).foreground
    assert found.tolist() == [[7, 24]]
    assert found.dtype == np.float32


def test_channels_keep_their_rows(write_case):
    case = write_case()
    twice = replace(case, images={"T1": case.images["MR"], "T2": case.images["MR"]})
    found = read(twice, channels=2).foreground
    assert found.shape == (2, 200)
    assert np.array_equal(found[0], found[1])


def test_many_labelled_voxels_are_sampled_alike_each_time(write_case, monkeypatch):
    everything = set(read(write_case()).foreground.ravel().tolist())
    monkeypatch.setattr(module, "SAMPLES", 20)
    first, second = read(write_case()).foreground, read(write_case()).foreground
    assert first.shape == (1, 20)
    assert np.array_equal(first, second)
    assert set(first.ravel().tolist()) <= everything


@pytest.mark.parametrize("reference", ["none", "empty"])
def test_a_case_without_labelled_voxels_still_has_a_size(reference, write_case):
    case = write_case(reference=np.zeros((14, 12, 9), np.uint8))
    found = read(replace(case, reference=None) if reference == "none" else case)
    assert found.foreground.shape == (1, 0)
    assert found.shape == (12, 11, 9)


def test_a_tilted_scan_counts_as_its_orthogonal_cover(write_nifti):
    affine = affine_from((1, 1, 1))
    affine[:3, 2] = 0, 3, 4
    case = Case("a", {"CT": write_nifti("image.nii", np.ones((6, 10, 3), np.int16), affine)})
    found = read(case)
    assert (found.shape, found.spacing) == ((6, 19, 3), pytest.approx((1, 1, 4)))


def test_what_cannot_be_used_is_refused(write_case, write_nifti):
    case = write_case()
    with pytest.raises(DataError, match="does not declare"):
        read(case, labels={"background": 0, "first": 1})
    small = write_nifti("small.nii", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(GeometryError, match="different shapes"):
        read(replace(case, reference=small))


def test_cases_are_gathered_in_order():
    one = CaseFingerprint((4, 5, 6), (1.0, 1.0, 2.0), np.array([[1, 2]], np.float32))
    two = CaseFingerprint((7, 8, 9), (1.0, 1.5, 2.0), np.array([[3]], np.float32))
    gathered = fingerprint([one, two])
    assert gathered.shapes.tolist() == [[4, 5, 6], [7, 8, 9]]
    assert gathered.spacings.tolist() == [[1, 1, 2], [1, 1.5, 2]]
    assert gathered.foreground.tolist() == [[1, 2, 3]]
