import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from segkit.foundation.hashing import array_hash, file_hash, value_hash
from segkit.foundation.plain import from_yaml, to_json, to_yaml


def test_file_hash_is_the_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"abc")
    assert file_hash(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_value_hash_ignores_key_order_and_containers():
    assert value_hash({"a": 1, "b": (1, 2)}) == value_hash({"b": [1, 2], "a": 1})
    assert value_hash({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_value_hash_sees_every_difference():
    values = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": 1.5}, {"a": None}, {"a": [1]}, {"a": float("nan")}]
    assert len({value_hash(value) for value in values}) == len(values)


def test_value_hash_survives_json_and_yaml():
    value = {"root": Path("a"), 1: np.float32(0.1), "nested": [{"x": (1, 2)}], None: True}
    assert value_hash(json.loads(to_json(value))) == value_hash(value)
    assert value_hash(from_yaml(to_yaml(value))) == value_hash(value)


def test_value_hash_takes_dataclasses_and_refuses_objects():
    @dataclasses.dataclass
    class Settings:
        a: int

    assert value_hash(Settings(1)) == value_hash({"a": 1})
    with pytest.raises(TypeError, match="plain"):
        value_hash(object())


def test_array_hash_is_the_same_for_every_memory_layout():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    same = [np.asfortranarray(array), array.copy(), np.repeat(array, 2, axis=2)[..., ::2], array[::-1][::-1]]
    assert {array_hash(array)} == {array_hash(copy) for copy in same}
    assert array_hash(array) == hashlib.sha256(b"<i2(2, 3, 4)" + array.tobytes()).hexdigest()


def test_array_hash_sees_dtype_shape_and_values():
    array = np.arange(6, dtype=np.int32)
    others = [array.astype(np.int64), array.astype(">i4"), array.reshape(2, 3), array + 1, array[:0], array[:0, None]]
    assert len({array_hash(other) for other in [array, *others]}) == 7


def test_array_hash_of_large_empty_and_single_arrays():
    large = np.asfortranarray(np.random.default_rng(0).random((3, 1 << 20)))
    assert array_hash(large) == hashlib.sha256(b"<f8(3, 1048576)" + large.tobytes()).hexdigest()
    assert array_hash(np.array(1.5)) != array_hash(np.array([1.5]))
    assert array_hash(np.zeros((2, 0))) != array_hash(np.zeros((0, 2)))
    with pytest.raises(TypeError, match="Python objects"):
        array_hash(np.array([object()]))
