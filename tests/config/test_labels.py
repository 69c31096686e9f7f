import pytest

from segkit.config.labels import in_class_order, swapped_classes
from segkit.foundation.errors import UsageError

KIDNEYS = {"background": 0, "left": 1, "right": 2, "bladder": 3}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"background": 0, "liver": 1}, ["background", "liver"]),
        ({"liver": 1, "spleen": 7, "background": 0}, ["background", "liver", "spleen"]),
        ({"cell": 255, "membrane": 0}, ["membrane", "cell"]),
        ({"air": 0, "background": 255}, ["background", "air"]),
    ],
)
def test_the_background_comes_first_and_the_others_keep_their_order(labels, names):
    ordered = in_class_order(labels)
    assert list(ordered) == names
    assert ordered == labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"liver": 1, "spleen": 2}, "needs a background"),
        ({"background": 0}, "at least one label beside it"),
        ({}, "needs a background"),
        ({"background": 0, "liver": 1, "spleen": 1}, "one value to two labels"),
        ({f"organ {value}": value for value in range(257)}, "at most 256"),
    ],
)
def test_labels_that_make_no_classes_are_refused(labels, message):
    with pytest.raises(UsageError, match=message):
        in_class_order(labels)


def test_mirrored_pairs_swap_and_the_others_stay():
    assert swapped_classes(KIDNEYS, []) == [0, 1, 2, 3]
    assert swapped_classes(KIDNEYS, [["left", "right"]]) == [0, 2, 1, 3]
    assert swapped_classes(KIDNEYS, [["left", "right"], ["right", "left"]]) == [0, 2, 1, 3]


@pytest.mark.parametrize("pair", [["left"], ["left", "left"], ["left", "heart"], ["left", "right", "bladder"], []])
def test_what_is_no_pair_of_labels_is_refused(pair):
    with pytest.raises(UsageError, match=r"data\.mirrored"):
        swapped_classes(KIDNEYS, [pair])


def test_a_label_has_one_twin():
    with pytest.raises(UsageError, match="stands in another pair"):
        swapped_classes(KIDNEYS, [["left", "right"], ["right", "bladder"]])
