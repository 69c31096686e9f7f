import json

import pytest

from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import write_yaml
from segkit.runs.folder import FINISHED, RunFolder, changed_values, check_same_config, new_run_folder


def test_places_are_those_of_the_design(tmp_path):
    folder = RunFolder(tmp_path)
    places = [
        folder.config, folder.overrides, folder.plan, folder.split, folder.cases, folder.environment, folder.status,
        folder.metrics, folder.log, folder.last, folder.best, folder.model, folder.predictions("held_out"),
        folder.evaluation,
    ]  # fmt: skip
    assert [str(place.relative_to(tmp_path)) for place in places] == [
        "config.yaml", "overrides.yaml", "plan.yaml", "split.json", "cases.json", "environment.json", "status.json",
        "metrics.csv", "log.txt", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "model", "predictions/held_out",
        "evaluation",
    ]  # fmt: skip


def test_a_new_run_lies_under_its_name_and_time(tmp_path):
    folder = new_run_folder(tmp_path, "liver")
    assert folder.path.parent == tmp_path / "liver"
    assert not folder.path.exists()
    assert len(folder.path.name) == len("2026-01-31_23-59-59")


def test_status_tells_how_a_run_stands(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_finished
    folder.set_status("running")
    assert not folder.is_finished
    folder.set_status(FINISHED, steps=100)
    assert folder.is_finished
    status = json.loads(folder.status.read_text())
    assert (status["state"], status["steps"]) == ("finished", 100)
    assert "T" in status["at"]
    assert status["at"][-6] in "+-"  # with its offset from UTC


@pytest.mark.parametrize("text", ["[]", "3", "null", '{"state": ["finished"]}'])
def test_a_status_of_another_kind_is_not_finished(text, tmp_path):
    folder = RunFolder(tmp_path)
    folder.status.write_text(text)
    assert not folder.is_finished


def test_the_config_comes_back(tmp_path):
    folder = RunFolder(tmp_path)
    assert not folder.is_run
    with pytest.raises(DataError, match=r"is not a run folder: it has no config\.yaml"):
        folder.read_config()
    config = {"name": "liver", "training": {"budget": "10min", "steps": None}}
    write_yaml(folder.config, config)
    assert folder.is_run
    assert folder.read_config() == config


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", "a: &x [1]\nb: *x\n", "a: !!python/object/apply:os.system ['true']", "a: ["]
)
def test_a_strangers_config_is_only_read(text, tmp_path):
    folder = RunFolder(tmp_path)
    folder.config.write_text(text)
    with pytest.raises(DataError, match=r"config\.yaml"):
        folder.read_config()


def test_keys_that_train_differently():
    before = {"seed": 1, "network": {"features": [4, 8], "block": "plain"}, "training": {"steps": 5, "workers": 0}}
    assert list(changed_values(before, before)) == []
    now = {"seed": 2, "network": {"features": [4, 8], "block": "residual"}, "training": {"steps": 9, "workers": 4}}
    assert list(changed_values(before, now)) == ["network.block", "seed", "training.steps"]


def test_what_differs_from_a_run_that_is_there_is_said_with_both_ways_out(tmp_path):
    folder = RunFolder(tmp_path)
    before = {"seed": 1, "training": {"steps": 5, "budget": None}, "data": {"root": "/a" * 40, "name": "x"}}
    check_same_config(folder, before, "go on")
    folder.config.write_text(json.dumps(before))
    check_same_config(folder, before, "go on")
    now = {"seed": 2, "training": {"steps": None, "budget": "1h"}, "data": {"root": "/b" * 40, "name": "x"}}
    with pytest.raises(UsageError) as refused:
        check_same_config(folder, now, "go on")
    assert str(refused.value) == (
        f"{tmp_path} holds a run with another data.root ({'/a' * 15}...{'/a' * 15} -> {'/b' * 15}...{'/b' * 15}), "
        "seed (1 -> 2), training.budget (null -> 1h) and 1 more: choose another output, or go on"
    )


def test_keys_that_only_one_side_knows():
    assert list(changed_values({"network": {"a": {"b": 1}}}, {"network": {"a": {"b": 1, "c": 2}}})) == ["network.a.c"]
    assert list(changed_values({"network": {"a": {"b": 1}}}, {"network": {}})) == ["network.a"]
    assert list(changed_values({}, {"network": {"a": 1}})) == ["network"]
    assert list(changed_values({"network": {"a": 1}}, {"network": 3})) == ["network"]
    assert list(changed_values({"network": {"a": None}}, {"network": {}})) == []


@pytest.mark.parametrize("key", ["device", "workers", "debug", "trust", "resume", "output", "launcher", "inference"])
def test_keys_that_train_the_same(key):
    assert list(changed_values({key: "one"}, {key: {"another": 2}})) == []


def test_a_cache_that_moved_trains_the_same():
    before, now = ({"paths": {"cache": cache, "runs": "runs"}} for cache in ("/a", "/b"))
    assert changed_values(before, now) == {}
