import base64
import gzip

import nibabel as nib
import numpy as np
import pytest

from segkit.config.labels import labels_from
from segkit.reports.embedding import carry, intensities, nifti, windows
from segkit.reports.looking import EXTRA, HIT, MISSED, Seen, errors, label_volumes, levels, worst_voxel
from segkit.reports.pictures import contoured, plane_of, sized


def seen(reference, mask, image=None) -> Seen:
    image = np.arange(reference.size, dtype=np.float32).reshape(reference.shape) if image is None else image
    return Seen(image[None], np.diag([1.0, 2.0, 3.0, 1.0]), reference, mask, {}, {}, is_picture=False)


def test_errors_by_hand():
    reference, mask = np.array([0, 1, 1, 1, 0, 255], np.uint8), np.array([0, 1, 2, 0, 1, 1], np.uint8)
    assert errors(reference, mask).tolist() == [0, HIT, EXTRA, MISSED, EXTRA, 0]


def test_the_worst_voxel_errs_and_lies_on_the_slice_with_most_errors():
    reference, mask = np.zeros((6, 6, 5), np.uint8), np.zeros((6, 6, 5), np.uint8)
    reference[1:4, 1:4, 2] = 1
    mask[1:4, 1:4, 1] = 1
    mask[0, 0, 2] = 2
    x, y, z = worst_voxel(seen(reference, mask))
    assert z == 2
    assert reference[x, y, z] != mask[x, y, z]
    assert worst_voxel(seen(reference, reference)) == (2, 2, 2)
    assert worst_voxel(seen(np.zeros_like(mask), np.zeros_like(mask))) == (3, 3, 2)


def test_volumes_of_regions_overlap():
    labels = labels_from({"background": 0, "whole": [1, 2], "core": 2}, [1, 2])
    classes = np.array([[[0, 1, 2, 2, 255]]], np.uint8)
    assert label_volumes(classes, labels, 0.5) == {"whole": 1.5, "core": 1.0}


def test_a_plane_is_held_as_radiologists_do():
    image = np.zeros((4, 5, 6), np.float32)
    image[0, 4, 5] = 1  # left, front, top: the array runs to the right, so index 0 is the patient's left
    case = seen(image.astype(np.uint8), image.astype(np.uint8), image)
    axial = plane_of(case, 2, 5, (0, 1))
    assert axial.grey.shape == (5, 4)
    assert axial.grey[0, 3] == 255  # front is up, left is on the right
    assert axial.aspect == 2
    sagittal = plane_of(case, 0, 0, (0, 1))
    assert sagittal.grey.shape == (6, 5)
    assert sagittal.grey[0, 0] == 255  # top is up, front is on the left
    assert sized(axial, 40).grey.shape == (40, 16)


def test_contours_stay_near_the_edge_in_the_label_s_colour():
    places = np.zeros((20, 20), np.uint8)
    places[5:15, 5:15] = 1
    picture = contoured(np.zeros((20, 20), np.uint8), places)
    coloured = picture.any(axis=2)
    assert coloured[5:15, 5].all()
    assert not coloured[8:12, 8:12].any()
    assert not coloured[places == 0].any()


@pytest.mark.parametrize("is_ct", [True, False])
def test_carried_intensities_lead_back_to_their_own_units(is_ct):
    image = np.random.default_rng(1).normal(100, 300, (1, 7, 6, 5)).round()
    stored, slope, intercept = intensities(image, is_ct=is_ct)
    back = nib.Nifti1Image.from_bytes(nifti(stored, slope, intercept, np.eye(4))).get_fdata()
    assert np.abs(back - image[0]).max() <= (0 if is_ct else np.ptp(image) / 255 / 2 + 1e-3)
    assert stored.dtype == (np.int16 if is_ct else np.uint8)


def test_what_is_too_large_is_carried_more_coarsely_on_the_same_places():
    reference = np.zeros((40, 40, 40), np.uint8)
    reference[10:30, 10:30, 10:30] = 1
    noise = np.random.default_rng(0).normal(size=reference.shape)
    whole = carry(seen(reference, reference, noise), is_ct=False, most=10**6)
    coarse = carry(seen(reference, reference, noise), is_ct=False, most=20_000)
    assert whole.every == (1, 1, 1)
    assert coarse.every == (3, 2, 1)  # of 1, 2 and 3 mm
    assert coarse.size <= 20_000 < whole.size
    image = nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(coarse.parts["reference"])))
    assert image.header.get_zooms() == (3, 4, 3)
    assert np.array_equal(np.asarray(image.dataobj), reference[::3, ::2])


def test_windows_suit_the_family():
    image = np.linspace(-1000, 1000, 1001)
    assert ("soft tissue", -160.0, 240.0) in windows("ct", levels(image), is_colour=False)
    assert windows("mr", levels(image), is_colour=False)[0] == ("1st to 99th percentile", -980.0, 980.0)
    assert windows("rgb", levels(image), is_colour=True) == []
    assert all(high > low for _, low, high in windows("pet", [0.0] * 6, is_colour=False))
