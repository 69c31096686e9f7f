from dataclasses import replace

import numpy as np
import pytest

from segkit.config.channels import channels_from
from segkit.config.labels import labels_from
from segkit.datasets import Case
from segkit.foundation.errors import DataError, GeometryError
from segkit.preparation import fingerprint as module
from segkit.preparation.fingerprint import CaseFingerprint, fingerprint, fingerprint_case
from segkit.volumes.grid import affine_from

LABELS = labels_from({"background": 0, "first": 1, "second": 2})
CHANNELS = channels_from({"MR": "mr"})


def read(case, **changes):
    return fingerprint_case(case, **{"channels": CHANNELS, "orientation": "RAS", "labels": LABELS, **changes})


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
    case, other = write_case("a"), write_case("b", seed=1)
    both = replace(case, images={"T1": case.images["MR"], "T2": other.images["MR"]})
    found = read(both, channels=channels_from({"T1": "mr", "T2": "mr"})).foreground
    assert found.shape == (2, 200)
    assert np.array_equal(found[0], read(case).foreground[0])
    assert np.array_equal(found[1], read(other).foreground[0])


def test_many_labelled_voxels_are_sampled_alike_each_time(write_case, monkeypatch):
    everything = set(read(write_case()).foreground.ravel().tolist())
    monkeypatch.setattr(module, "SAMPLES", 20)
    first, second = read(write_case()).foreground, read(write_case()).foreground
    assert first.shape == (1, 20)
    assert np.array_equal(first, second)
    assert set(first.ravel().tolist()) <= everything


def test_a_case_with_an_empty_reference_still_has_a_size(write_case):
    found = read(write_case(reference=np.zeros((14, 12, 9), np.uint8)))
    assert (found.foreground.shape, found.shape, found.labelled) == ((1, 0), (12, 11, 9), True)


def test_without_a_reference_the_middle_of_the_image_counts(write_nifti):
    image = np.zeros((10, 9, 8), np.int16)
    image[1:9, 1:9] = np.arange(512).reshape(8, 8, 8) + 1
    found = read(Case("a", {"MR": write_nifti("image.nii", image)}))
    # Of the box of 8 x 8 x 8 voxels that are not zero, the 4 x 4 x 4 in the middle.
    assert np.array_equal(found.foreground[0], image[3:7, 3:7, 2:6].ravel())
    assert (found.labelled, found.kept) == (False, 512 / 720)


def test_ignored_voxels_are_not_foreground(write_case):
    labels = labels_from({"background": 0, "first": 1, "ignore": 2})
    assert read(write_case(), labels=labels).foreground.shape == (1, 125)
    assert read(write_case()).foreground.shape == (1, 200)


def test_what_is_in_any_region_is_foreground(write_case):
    regions = labels_from({"background": 0, "whole": [1, 2], "core": [2]}, region_order=[1, 2])
    assert read(write_case(), labels=regions).foreground.shape == (1, 200)
    nothing = labels_from({"background": [0, 1], "core": [2]})
    assert read(write_case(), labels=nothing).foreground.shape == (1, 75)


def test_the_share_that_cropping_keeps(write_case):
    assert read(write_case(shape=(14, 12, 9))).kept == (12 * 11 * 9) / (14 * 12 * 9)


def test_a_tilted_scan_counts_as_its_orthogonal_cover(write_nifti):
    affine = affine_from((1, 1, 1))
    affine[:3, 2] = 0, 3, 4
    case = Case("a", {"MR": write_nifti("image.nii", np.ones((6, 10, 3), np.int16), affine)})
    found = read(case)
    assert (found.shape, found.spacing) == ((6, 19, 3), pytest.approx((1, 1, 4)))


def test_what_cannot_be_used_is_refused(write_case, write_nifti):
    case = write_case()
    with pytest.raises(DataError, match="does not declare"):
        read(case, labels=labels_from({"background": 0, "first": 1}))
    small = write_nifti("small.nii", np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(GeometryError, match="different shapes"):
        read(replace(case, reference=small))


def case_of(shape, spacing, values, **changes):
    return CaseFingerprint(shape, spacing, np.array([values], np.float32), **changes)


def test_cases_are_gathered_in_order():
    gathered = fingerprint(
        [
            case_of((4, 5, 6), (1.0, 1.0, 2.0), [1, 2], kept=0.5),
            case_of((7, 8, 9), (1.0, 1.5, 2.0), [3], kept=0.6),
            case_of((7, 8, 9), (1.0, 1.5, 2.0), [], kept=1.0),
        ]
    )
    assert gathered.shapes.tolist() == [[4, 5, 6], [7, 8, 9], [7, 8, 9]]
    assert gathered.spacings.tolist() == [[1, 1, 2], [1, 1.5, 2], [1, 1.5, 2]]
    assert gathered.foreground.tolist() == [[1, 2, 3]]
    assert gathered.kept == 0.6


def test_middles_of_images_count_only_where_no_case_is_labelled():
    labelled = case_of((4, 4, 4), (1.0, 1.0, 1.0), [1, 2])
    plain = case_of((4, 4, 4), (1.0, 1.0, 1.0), [70, 80], labelled=False)
    assert fingerprint([plain, labelled]).foreground.tolist() == [[1, 2]]
    assert fingerprint([plain, plain]).foreground.tolist() == [[70, 80, 70, 80]]
