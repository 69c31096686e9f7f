import dataclasses
import datetime
import enum
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from segkit.foundation.plain import from_yaml, plain, to_json, to_yaml


class Kind(enum.Enum):
    CT = "ct"


@dataclasses.dataclass(frozen=True)
class Plan:
    spacing: tuple[float, ...]
    root: Path
    kind: Kind = Kind.CT


scalars = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_plain_reduces_dataclasses_paths_enumerations_and_numpy():
    value = {
        "plan": Plan((1.0, 2.0), Path("a/b")),
        np.int64(3): np.float32(0.5),
        "array": np.eye(2, dtype=np.uint8),
        "flags": (np.bool_(True), np.str_("x"), np.float64(2)),
        "set": {3, 1},
        "day": datetime.date(2026, 1, 2),
        "config": OmegaConf.create({"a": [1, "${b}"], "b": 2}),
    }
    reduced = plain(value)
    assert reduced == {
        "plan": {"spacing": [1.0, 2.0], "root": "a/b", "kind": "ct"},
        3: 0.5,
        "array": [[1, 0], [0, 1]],
        "flags": [True, "x", 2.0],
        "set": [1, 3],
        "day": "2026-01-02",
        "config": {"a": [1, 2], "b": 2},
    }
    assert [type(member) for member in reduced["flags"]] == [bool, str, float]
    assert type(list(reduced)[1]) is int


@pytest.mark.parametrize("value", [object(), b"bytes", {(1, 2): 3}, np.longdouble(1), 1j, Plan])
def test_what_has_no_plain_form_is_refused(value):
    with pytest.raises(TypeError):
        plain(value)


@given(values)
def test_yaml_reads_back_what_was_written(value):
    assert from_yaml(to_yaml(value)) == value


@given(values)
def test_json_reads_back_what_was_written_except_infinities(value):
    text = to_json(value)
    text.encode()
    if "Infinity" not in json.dumps(value):
        assert json.loads(text) == value


def test_json_is_strict_and_yaml_keeps_what_is_not_finite():
    value = {"inf": float("inf"), "nan": float("nan"), "ü": 1}
    assert json.loads(to_json(value), parse_constant=pytest.fail) == {"inf": None, "nan": None, "ü": 1}
    assert '"ü"' in to_json(value)
    assert from_yaml(to_yaml(value))["inf"] == float("inf")


def test_names_that_are_not_utf8_survive_both():
    name = b"caf\xe9.dcm".decode("utf-8", "surrogateescape")
    assert json.loads(to_json([name]).encode()) == [name]
    assert from_yaml(to_yaml([name]).encode().decode()) == [name]


def test_yaml_takes_1e_3_for_a_number_as_omegaconf_does():
    text = "a: 1e-3\nb: '1e-3'\nc: [1E5, -2.e+3]"
    assert from_yaml(text) == {"a": 1e-3, "b": "1e-3", "c": [1e5, -2e3]}
    assert from_yaml(text) == OmegaConf.to_container(OmegaConf.create(text))
    for number_like in ("1e-3", "1E5", "-2.e+3", "yes", "null", "1:30"):
        assert OmegaConf.create(to_yaml({"a": number_like})).a == number_like


def test_yaml_keeps_key_order_and_writes_short_lists_on_one_line():
    assert to_yaml({"b": [1, 2], "a": {"c": []}}) == "b: [1, 2]\na:\n  c: []\n"


def test_yaml_writes_no_aliases_and_reads_no_objects():
    shared = [1]
    assert "&" not in to_yaml({"a": shared, "b": shared})
    with pytest.raises(yaml.YAMLError):
        from_yaml("!!python/object/apply:os.system [echo]")
