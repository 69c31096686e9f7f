"""From plain values to dataclasses."""

from dataclasses import dataclass
from typing import Any

import pytest

from segkit.config.options import choice_key, duration_key, path_key, range_key
from segkit.config.typed import shown, typed
from segkit.foundation.errors import UsageError


@dataclass(kw_only=True)
class Inner:
    """A section."""

    share: float = range_key(0, 1)
    kind: str | None = choice_key("fast", "slow")


@dataclass(kw_only=True)
class Outer:
    """A config."""

    inner: Inner
    place: str = path_key()
    wait: str = duration_key()
    anything: dict[str, Any]


VALUES = {"inner": {"share": 1, "kind": None}, "place": "/a", "wait": 90, "anything": {"x": [1]}}


def test_values_are_typed_section_by_section():
    config = typed(Outer, VALUES)
    assert config == Outer(inner=Inner(share=1.0, kind=None), place="/a", wait="90", anything={"x": [1]})
    assert isinstance(config.inner.share, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inner": 3}, "inner: 3 is not a mapping of keys to values"),
        ({"inner": {"share": 2, "kind": None}}, "inner.share: 2 is not between 0 and 1"),
        ({"inner": {"share": "a", "kind": None}}, "inner.share: a is not a number"),
        ({"inner": {"share": 1, "kind": "fst"}}, "inner.kind: fst is not one of fast, slow; did you mean fast?"),
        ({"inner": {"share": 1}}, "inner.kind is not set: pass inner.kind=VALUE"),
        ({"inner": {"share": 1, "kind": None, "x": 1}}, "inner.x is not a key; inner has share, kind"),
        ({"wait": "soon"}, "wait: 'soon' is not a duration: write e.g. 90s, 10min, 2h or 1h30min"),
        ({"wait": None}, "wait: null is not a string"),
        ({"place": "???"}, "place is not set: pass place=PATH"),
        ({"place": [1]}, "place: [1] is not a string"),
        ({"plase": 1}, "plase is not a key; did you mean place? the keys are inner, place, wait, anything"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(UsageError) as caught:
        typed(Outer, {**VALUES, **change})
    assert str(caught.value) == message


def test_values_are_shown_as_they_are_typed():
    assert shown({"a": [1, None, True, "x"]}) == "{a: [1, null, true, x]}"


@dataclass(kw_only=True)
class Perhaps:
    """A config with a section that may be left out."""

    inner: Inner | None
    name: str


def test_a_section_that_is_left_out_is_none():
    assert (
        typed(Perhaps, {"name": "x"}) == typed(Perhaps, {"name": "x", "inner": None}) == Perhaps(inner=None, name="x")
    )
    assert typed(Perhaps, {"name": "x", "inner": VALUES["inner"]}).inner == Inner(share=1.0, kind=None)
    with pytest.raises(UsageError, match=r"inner\.share: 2 is not between 0 and 1"):
        typed(Perhaps, {"name": "x", "inner": {"share": 2, "kind": None}})
