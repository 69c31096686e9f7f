"""Lesions by hand, the best assignment by trying all, and panoptica's published figures on its own example."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segkit.evaluation.lesions.matching import match_lesions
from segkit.evaluation.settings import LesionSettings

HALF = LesionSettings(threshold=0.5)
ANY = LesionSettings(match="overlap", threshold=0.0)


def line(*starts, size=4, length=40):
    mask = np.zeros((3, length), bool)
    for start in starts:
        mask[1, start : start + size] = True
    return mask


def test_found_missed_and_invented_by_hand():
    # Reference at 2, 12, 22; mask at 3 (IoU 3/5), 15 (IoU 1/7), 32 (nothing there).
    found = match_lesions(line(3, 15, 32), line(2, 12, 22))
    assert (found.found, found.missed, found.invented) == (2, 1, 1)
    assert found.iou.tolist() == pytest.approx([3 / 5, 1 / 7])
    assert found.f1 == pytest.approx(2 * 2 / 6)
    assert found.panoptic_quality == pytest.approx((3 / 5 + 1 / 7) / (2 + 0.5 + 0.5))
    assert found.dice_of_expected.tolist() == pytest.approx([6 / 8, 2 / 8, 0])
    strict = match_lesions(line(3, 15, 32), line(2, 12, 22), HALF)
    assert (strict.found, strict.missed, strict.invented) == (1, 2, 2)
    assert strict.sensitivity == strict.precision == pytest.approx(1 / 3)


def test_one_component_over_two_lesions_is_one_of_them():
    found = match_lesions(line(2, size=12), line(2, 10), ANY)
    assert (found.found, found.missed, found.invented) == (1, 1, 0)


def test_corners_connect_or_do_not():
    diagonal = np.eye(4, dtype=bool)
    assert len(match_lesions(diagonal, diagonal).expected) == 1
    faces = match_lesions(diagonal, diagonal, LesionSettings(connectivity="faces"))
    assert (len(faces.expected), faces.found) == (4, 4)


@pytest.mark.parametrize("empty", [0, 1])
def test_a_mask_without_lesions(empty):
    pair = [line(2, 12), np.zeros((3, 40), bool)]
    found = match_lesions(pair[empty], pair[1 - empty])
    assert (found.found, found.missed, found.invented) == ((0, 0, 2) if empty == 0 else (0, 2, 0))
    assert found.panoptic_quality == 0


@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_most_pairs_come_first_and_then_the_largest_sum(seed):
    random = np.random.default_rng(seed)
    mask, reference = random.integers(0, 4, (2, 8))
    found = match_lesions(mask, reference, LesionSettings(threshold=0.0))
    shared = np.array([[((mask == p) & (reference == r)).sum() for r in (1, 2, 3)] for p in (1, 2, 3)])
    union = np.array([[((mask == p) | (reference == r)).sum() for r in (1, 2, 3)] for p in (1, 2, 3)])
    iou = shared / np.maximum(union, 1)
    tried = [[iou[p, r] for p, r in enumerate(order) if shared[p, r]] for order in permutations(range(3))]
    best = max((len(pairs), sum(pairs)) for pairs in tried)
    assert (found.found, found.iou.sum()) == pytest.approx(best)


def test_thousands_of_lesions_take_no_large_matrix():
    mask = np.zeros((180, 180), bool)
    mask[::3, ::3] = True
    found = match_lesions(mask, mask)
    assert found.found == len(found.expected) == 3600
    assert found.panoptic_quality == 1


def spine(segkit_data, kind):
    import nibabel

    folder = segkit_data / "eval_pairs" / "panoptica_spine_seg" / kind
    return [np.asarray(nibabel.load(folder / f"{name}.nii.gz").dataobj) for name in ("pred", "ref")]


@pytest.mark.parametrize("kind", ["matched_instance", "unmatched_instance"])
def test_instances_equal_what_panoptica_publishes(segkit_data, kind):
    found = match_lesions(*spine(segkit_data, kind), HALF)
    assert (found.found, found.invented, found.missed) == (19, 3, 3)
    assert found.f1 == pytest.approx(0.8636363636363636)
    assert found.segmentation_quality == pytest.approx(0.8328184295330798)
    assert found.iou.std() == pytest.approx(0.15186064004517466)
    assert found.panoptic_quality == pytest.approx(0.7192522800512963)
    assert found.dice.mean() == pytest.approx(0.900292616009954)


def test_components_of_a_semantic_map_equal_what_panoptica_publishes(segkit_data):
    """Its components are those of each value, joined over corners, and any may be paired with any."""
    from scipy import ndimage

    numbered = []
    for array in spine(segkit_data, "semantic"):
        instances = np.zeros(array.shape, np.int64)
        for value in np.unique(array[array > 0]):
            components, _ = ndimage.label(array == value, np.ones((3, 3, 3)))
            instances[components > 0] = components[components > 0] + instances.max()
        numbered.append(instances)
    found = match_lesions(*numbered, HALF)
    assert (len(found.predicted), len(found.expected)) == (89, 87)
    assert (found.found, found.invented, found.missed) == (73, 16, 14)
    assert found.segmentation_quality == pytest.approx(0.7940127477906024)
    assert found.panoptic_quality == pytest.approx(0.6586696657808406)
    assert found.dice.mean() == pytest.approx(0.8802182546605446)
