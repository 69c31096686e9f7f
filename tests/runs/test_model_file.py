from dataclasses import asdict, replace

import pytest
import torch

from segkit.config.plan import Normalisation, Plan
from segkit.foundation.errors import DataError
from segkit.foundation.files import read_yaml, write_yaml
from segkit.runs.model_file import ModelRecord, read_record, read_weights, write_model, write_record

RECORD = ModelRecord(
    name="kidneys",
    labels={"background": 0, "left": 5, "right": 7},
    mirrored=[["left", "right"]],
    flips=[1, 2],
    plan=Plan(
        3, "RAS", (1.0, 1.0, None), (8, 8, 4), 2, ((1, 1, 1), (2, 2, 1)), ((3, 3, 1), (3, 3, 3)),
        {"CT": Normalisation("clip_zscore", -100.0, 300.0, 90.0, 40.0)},
    ),
    network={"_target_": "segkit.networks.UNet", "features": [4, 8]},
    segkit="0.1.0",
    postprocessing={"left": {"keep_largest": True, "smallest_mm3": 30.0, "fill_holes": False}},
    training={"steps": 10},
)  # fmt: skip
WEIGHTS = {"conv.weight": torch.randn(3, 2, 3), "norm.count": torch.tensor(5), "half": torch.ones(2).bfloat16()}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    write_model(folder, RECORD, WEIGHTS)
    return folder


def test_a_model_comes_back_as_it_was(model):
    record = read_record(model)
    assert replace(record, weights="") == RECORD
    weights = read_weights(model, record)
    assert weights.keys() == WEIGHTS.keys()
    for name, tensor in WEIGHTS.items():
        assert weights[name].dtype == tensor.dtype
        assert torch.equal(weights[name], tensor)
    assert sorted(path.name for path in model.iterdir()) == ["model.yaml", "weights.safetensors"]


def test_an_earlier_model_is_replaced(model):
    (model / "old.txt").touch()
    write_model(model, replace(RECORD, name="second"), {"only": torch.zeros(1)})
    assert read_record(model).name == "second"
    assert list(read_weights(model, read_record(model))) == ["only"]
    assert not (model / "old.txt").exists()


def test_tied_turned_and_traced_weights_are_written(tmp_path):
    tied = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
    write_model(tmp_path / "model", RECORD, {"a": tied, "b": tied, "turned": tied.T})
    weights = read_weights(tmp_path / "model", read_record(tmp_path / "model"))
    assert torch.equal(weights["a"], weights["b"])
    assert torch.equal(weights["turned"], tied.detach().T)


def test_tampered_weights_are_refused(model):
    path, record = model / "weights.safetensors", read_record(model)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"weights\.safetensors is not the file that model\.yaml was written with"):
        read_weights(model, record)
    path.unlink()
    with pytest.raises(DataError, match=r"holds no weights\.safetensors"):
        read_weights(model, record)


def test_a_pickle_in_the_weights_place_is_not_opened(model):
    from segkit.foundation.hashing import file_hash

    torch.save(WEIGHTS, model / "weights.safetensors")
    record = replace(read_record(model), weights=file_hash(model / "weights.safetensors"))
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        read_weights(model, record)


def test_a_folder_without_a_model_asks_whether_the_run_has_finished(tmp_path):
    with pytest.raises(DataError, match=r"holds no model .* has the run finished"):
        read_record(tmp_path)


@pytest.mark.parametrize("version", [2, 99, "1", None])
def test_another_format_is_refused_and_says_who_wrote_it(version, model):
    write_yaml(model / "model.yaml", {**read_yaml(model / "model.yaml"), "format": version, "segkit": "9.0"})
    with pytest.raises(DataError, match=rf"is of format {version}, written by segkit 9\.0; this segkit reads format 1"):
        read_record(model)


BROKEN = {
    "unknown key": {"colour": 1},
    "labels are a list": {"labels": [0, 1]},
    "labels are nothing": {"labels": None},
    "a label of text": {"labels": {"background": 0, "left": "five", "right": 7}},
    "a label that is true": {"labels": {"background": 0, "left": True, "right": 7}},
    "one label": {"labels": {"background": 0}},
    "two labels of one value": {"labels": {"background": 0, "left": 7, "right": 7}},
    "mirrored is a number": {"mirrored": 3},
    "mirrored names are unknown": {"mirrored": [["left", "heart"]]},
    "mirrored names are lists": {"mirrored": [[["left"], "right"]]},
    "flips of a fourth axis": {"flips": [3]},
    "flips are text": {"flips": "012"},
    "network is nothing": {"network": None},
    "network is text": {"network": "_target_"},
    "network has no target": {"network": {"features": [4]}},
    "network's target is a list": {"network": {"_target_": ["os.system"]}},
    "postprocessing is a list": {"postprocessing": ["left"]},
    "postprocessing is nothing": {"postprocessing": None},
    "a rule of an unknown label": {"postprocessing": {"heart": {"keep_largest": True}}},
    "a rule of the background": {"postprocessing": {"background": {"keep_largest": True}}},
    "a rule of a label of no text": {"postprocessing": {3: {"keep_largest": True}}},
    "a rule is a boolean": {"postprocessing": {"left": True}},
    "a rule of an unknown key": {"postprocessing": {"left": {"_target_": "os.system"}}},
    "a rule of a key of no text": {"postprocessing": {"left": {1: True}}},
    "keep_largest is a number": {"postprocessing": {"left": {"keep_largest": 1}}},
    "fill_holes is text": {"postprocessing": {"left": {"fill_holes": "true"}}},
    "smallest_mm3 is true": {"postprocessing": {"left": {"smallest_mm3": True}}},
    "smallest_mm3 is below zero": {"postprocessing": {"left": {"smallest_mm3": -1.0}}},
    "smallest_mm3 is no number": {"postprocessing": {"left": {"smallest_mm3": float("nan")}}},
    "smallest_mm3 is infinite": {"postprocessing": {"left": {"smallest_mm3": float("inf")}}},
    "training is text": {"training": "long"},
    "plan is nothing": {"plan": None},
    "plan is malformed": {"plan": {**asdict(RECORD.plan), "patch": [8]}},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_malformed_record_is_refused_in_one_line(change, model):
    write_yaml(model / "model.yaml", {**read_yaml(model / "model.yaml"), **change})
    with pytest.raises(DataError, match=r"model\.yaml is not a") as refused:
        read_record(model)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("key", ["name", "labels", "mirrored", "flips", "plan", "network", "segkit", "format"])
def test_a_missing_key_is_refused(key, model):
    mapping = read_yaml(model / "model.yaml")
    del mapping[key]
    write_yaml(model / "model.yaml", mapping)
    with pytest.raises(DataError, match=r"model\.yaml is not a"):
        read_record(model)


def test_a_record_of_earlier_has_no_rules(model):
    mapping = read_yaml(model / "model.yaml")
    del mapping["postprocessing"]
    write_yaml(model / "model.yaml", mapping)
    assert read_record(model).postprocessing == {}


def test_a_record_written_anew_keeps_its_weights(model):
    before = read_record(model)
    write_record(model, replace(before, postprocessing={}))
    after = read_record(model)
    assert after == replace(before, postprocessing={})
    assert read_weights(model, after).keys() == WEIGHTS.keys()


@pytest.mark.parametrize("text", ["", "3", "[format]", "format: 1\nname: !!python/name:os.system", "a: [", "\x00"])
def test_what_is_no_record_is_refused(text, model):
    (model / "model.yaml").write_text(text)
    with pytest.raises(DataError, match=r"model\.yaml is not"):
        read_record(model)


def test_nothing_that_a_record_names_is_imported(model, monkeypatch):
    mapping = read_yaml(model / "model.yaml")
    write_yaml(model / "model.yaml", {**mapping, "network": {"_target_": "antigravity.Door"}})
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"imported {name}"))
    assert read_record(model).network["_target_"] == "antigravity.Door"
