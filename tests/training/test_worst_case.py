from types import SimpleNamespace

import numpy as np
from PIL import Image

from segkit.config.labels import IGNORED, labels_from
from segkit.training.worst_case import middle_slice, reference_places, write_worst

LABELS = labels_from({"background": 0, "ball": 1})
REGIONS = labels_from({"background": 0, "whole": [1, 2], "core": 2}, [1, 2])


def a_case():
    reference = np.zeros((6, 5, 8), np.uint8)
    reference[1:3, 1:3, 2] = 1
    reference[1:3, 1:3, 5:7] = 1
    reference[0, 0, 7] = IGNORED
    return SimpleNamespace(name="a", image=np.random.default_rng(0).normal(size=(1, 6, 5, 8)), reference=reference)


def test_the_slice_goes_through_the_middle_of_the_reference(tmp_path):
    case = a_case()
    places = (case.reference == 1).astype(np.uint8)
    plane = middle_slice(case, places, LABELS, dice=0.5, axis=None)
    assert np.array_equal(plane.reference, case.reference[:, :, 5].T[::-1])
    assert np.array_equal(plane.mask, plane.reference)
    assert middle_slice(case, places, LABELS, dice=0.5, axis=0).reference.shape == (8, 5)
    write_worst(plane, ["ball"], 7, tmp_path / "worst.png")
    with Image.open(tmp_path / "worst.png") as picture:
        assert (np.asarray(picture) == (230, 159, 0)).all(axis=2).any()


def test_of_several_regions_the_last_is_drawn():
    assert reference_places(np.array([0, 1, 2, IGNORED]), REGIONS).tolist() == [0, 1, 2, IGNORED]
