import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.labels import IGNORED, in_colour, is_declared, labels_from, swapped_classes, swapped_outputs
from segkit.foundation.errors import UsageError

BRATS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}


@pytest.mark.parametrize(
    ("declared", "order", "background"),
    [
        ({"background": 0, "liver": 1}, ["background", "liver"], 0),
        ({"liver": 1, "background": 0}, ["background", "liver"], 0),
        ({"liver": 1, "air": 0}, ["air", "liver"], 0),
        ({"air": 0, "background": 255}, ["background", "air"], 255),
    ],
)
def test_the_background_comes_first(declared, order, background):
    labels = labels_from(declared)
    assert list(labels.members) == order
    assert labels.mask_values[0] == background
    assert labels.stored[background] == 0


def test_non_consecutive_and_merged_values():
    labels = labels_from({"background": 0, "kidney": [7, 9], "liver": 300})
    assert labels.stored == {0: 0, 7: 1, 9: 1, 300: 2}
    assert (labels.classes, labels.outputs, labels.is_regions) == (3, 3, False)
    assert labels.mask_values == (0, 7, 300)


def test_regions_by_hand():
    labels = labels_from(BRATS, [1, 2, 3])
    assert labels.stored == {0: 0, 1: 1, 2: 2, 3: 3}
    assert (labels.classes, labels.outputs, labels.is_regions) == (4, 3, True)
    np.testing.assert_array_equal(labels.membership, [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]])
    assert labels.mask_values == (0, 1, 2, 3)
    assert labels.declared == {"background": [0], "whole": [1, 2, 3], "core": [2, 3], "enhancing": [3]}


def test_an_ignored_value_is_stored_apart():
    labels = labels_from({"background": 0, "liver": 1, "ignore": 4})
    assert labels.stored == {0: 0, 1: 1, 4: IGNORED}
    assert (labels.classes, labels.outputs, labels.ignore, labels.foreground) == (2, 2, 4, ("liver",))


def test_colours_by_hand():
    labels = labels_from({"background": "#000000", "tumour": "#FF8001"})
    assert labels.in_colour
    assert labels.stored == {0: 0, 255 * 65536 + 128 * 256 + 1: 1}


def test_numbers_in_quotes_are_numbers_and_no_colours():
    labels = labels_from({"background": "0", "tumour": "1234567", "cyst": 3})
    assert not labels.in_colour
    assert labels.members == {"background": (0,), "tumour": (1234567,), "cyst": (3,)}
    assert not in_colour({"background": "0", "tumour": "1"})
    assert in_colour({"background": "#000000", "tumour": "#FF8001"})


@pytest.mark.parametrize(
    ("declared", "order", "message"),
    [
        ({"liver": 1, "spleen": 2}, None, "needs a background"),
        ({"background": 0}, None, "at least one label"),
        ({"background": 0, "a": 1, "b": 1}, None, "a and b both have the value 1; .* data.region_order"),
        (BRATS, None, "data.region_order says which"),
        (BRATS, [1, 2], "region_order has 2 values, data.labels 3 regions"),
        (BRATS, [1, 1, 3], "region_order: 1 is no value of core"),
        ({"background": 0, "a": 1, "ignore": 1}, None, "to both a and ignore"),
        ({"background": 0, "a": [1, 1]}, None, "names a value twice"),
        ({"background": 0, "a": "#GG0000"}, None, "neither a number nor a colour"),
        ({"background": 0, "a": "#12"}, None, "neither a number nor a colour"),
        ({"background": 0, "a": "#123456"}, None, "mixes colours"),
        ({"background": 0, **{f"l{n}": n for n in range(1, 256)}}, None, "256 values"),
    ],
)
def test_labels_that_make_no_sense_are_refused(declared, order, message):
    with pytest.raises(UsageError, match=message):
        labels_from(declared, order)


@given(st.permutations(["a", "b", "c", "d"]), st.data())
def test_swapping_twice_changes_nothing(names, data):
    labels = labels_from({"background": 0, **{name: index + 3 for index, name in enumerate(names)}})
    pairs = data.draw(st.sampled_from([[], [["a", "b"]], [["a", "b"], ["d", "c"]]]))
    swapped = swapped_classes(labels, pairs)
    assert [swapped[index] for index in swapped] == list(range(5))
    assert swapped == swapped_outputs(labels, pairs)
    for first, second in pairs:
        assert list(labels.members)[swapped[list(labels.members).index(first)]] == second


def test_regions_swap_value_by_value():
    sides = {"background": 0, "left": [1, 2], "left_core": 2, "right": [3, 4], "right_core": 4}
    labels = labels_from(sides, [1, 2, 3, 4])
    pairs = [["left", "right"], ["left_core", "right_core"]]
    assert swapped_classes(labels, pairs) == [0, 3, 4, 1, 2]
    assert swapped_outputs(labels, pairs) == [2, 3, 0, 1]


def test_pairs_that_make_no_sense_are_refused():
    labels = labels_from({"background": 0, "a": 1, "b": 2, "c": [3, 4]})
    for pair, message in (
        (["a"], "not a pair"),
        (["a", "a"], "not a pair"),
        (["a", "x"], "x is not a label; labels: a, b, c"),
        (["a", "c"], "equally many values"),
    ):
        with pytest.raises(UsageError, match=message):
            swapped_classes(labels, [pair])
    with pytest.raises(UsageError, match="stands in another pair"):
        swapped_classes(labels_from({"background": 0, "a": 1, "b": 2, "c": 3}), [["a", "b"], ["b", "c"]])


@pytest.mark.parametrize("odd", [None, [], {"a": 1.5}, {1: 1}, {"a": [1, "b"]}, {"a": True}])
def test_what_a_file_may_hold_instead_of_labels(odd):
    assert not is_declared(odd)
    assert is_declared({"a": 1, "b": [1, 2], "c": "#000000"})
