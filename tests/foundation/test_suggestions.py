"""Nearest words, and lists of them."""

from segkit.foundation.suggestions import did_you_mean, listed, some_of


def test_the_nearest_choice_is_named_whatever_its_case():
    assert did_you_mean("hipocampus", ["paired", "hippocampus"]) == "; did you mean hippocampus?"
    assert did_you_mean("adamw", ["AdamW", "SGD"]) == "; did you mean AdamW?"


def test_nothing_is_suggested_when_nothing_is_near():
    assert did_you_mean("xyz", ["paired", "hippocampus"]) == ""
    assert did_you_mean("xyz", []) == ""


def test_lists_read_as_a_sentence():
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == "none"


def test_of_many_names_the_first_are_shown():
    assert [some_of(names) for names in ("", "a", "abcde", "abcdef")] == ["", "a", "a, b, c, d, e", "a, b, c, d, e ..."]
    assert some_of(["x", "y"], 1) == "x ..."
