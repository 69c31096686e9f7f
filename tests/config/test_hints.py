"""Values against annotations."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segkit.config.hints import accepts, coerced, describe

CASES = [
    (int, 3, True),
    (int, True, False),
    (int, 3.0, False),
    (int, "3", False),
    (float, 3, True),
    (float, 0.5, True),
    (float, False, False),
    (bool, False, True),
    (bool, 0, False),
    (str, "a", True),
    (str, 3, False),
    (str, None, False),
    (str | None, None, True),
    (int | None, "a", False),
    (list[int], [1, 2], True),
    (list[int], ["a"], False),
    (list[int], 1, False),
    (Sequence[str], "abc", False),
    (list, [1, "a"], True),
    (tuple[int, ...], [1, 2, 3], True),
    (tuple[int, float], [1, 2.5], True),
    (tuple[int, float], [1], False),
    (list[list[str]], [["a", "b"]], True),
    (list[list[str]], ["a"], False),
    (dict[str, int], {"a": 1}, True),
    (dict[str, int], {"a": "b"}, False),
    (Mapping[str, Any], {"a": [1]}, True),
    (dict[str, int], [1], False),
    (Literal["plain", "residual"], "plain", True),
    (Literal["plain", "residual"], "plane", False),
    (Literal[1], True, False),
    (Annotated[int, "voxels"], 3, True),
    (Path, "a/b", True),
    (Path, 3, False),
    (Any, object(), True),
    (complex, "anything unknown fits", True),
    (int, {"_target_": "a.B"}, True),
]


@pytest.mark.parametrize(("hint", "value", "fits"), CASES)
def test_a_value_fits_or_not(hint, value, fits):
    assert accepts(hint, value) is fits


def test_harmless_conversions():
    assert coerced(str, 32) == "32"
    assert coerced(str | None, 600) == "600"
    assert coerced(float | None, 1) == 1.0
    assert isinstance(coerced(float | None, 1), float)
    assert coerced(list[float], [1, 2.5]) == [1.0, 2.5]
    assert coerced(dict[str, str], {1: 2}) == {"1": "2"}
    assert coerced(list[str] | None, None) is None


def test_what_is_no_harmless_conversion_is_left_alone():
    assert coerced(int, "3") == "3"
    assert coerced(str, True) is True
    assert coerced(bool, 1) == 1


@given(
    st.one_of(
        st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(), st.booleans(), st.lists(st.integers(-9, 9))
    )
)
def test_coercion_keeps_what_fits_and_is_done_after_one_pass(value):
    for hint in (int, str, float, bool, list[int], list[float], dict[str, int] | None):
        once = coerced(hint, value)
        assert coerced(hint, once) == once
        if accepts(hint, value):
            assert accepts(hint, once)
            assert once == value


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "an integer or null"),
        (Sequence[int], "a list of integers"),
        (list[list[str]], "a list of lists of strings"),
        (dict[str, int], "a mapping of strings to integers"),
        (Literal["plain", "residual"], "plain or residual"),
        (tuple[int, float], "a list of 2: an integer, a number"),
        (list[Any], "a list"),
        (bool, "true or false"),
        (Path, "a path"),
    ],
)
def test_hints_in_words(hint, words):
    assert describe(hint) == words
