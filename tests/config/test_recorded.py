"""Configs that were composed before."""

from dataclasses import asdict

import pytest

from segkit.config.compose import composed_yaml, configure
from segkit.config.recorded import load_config, recorded_overrides
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import write_text, write_yaml


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["data=paired", "data.root=a ${b}", "training.steps=5", "output=run"]
    config = configure("train", words)
    write_yaml(tmp_path / "run" / "config.yaml", asdict(config))
    write_yaml(tmp_path / "run" / "overrides.yaml", words)
    return tmp_path / "run"


def test_a_recorded_config_is_read_back_as_it_was(run):
    words = ["data=paired", "data.root=a ${b}", "training.steps=5", "output=run"]
    assert load_config("train", run / "config.yaml") == configure("train", words)
    assert recorded_overrides(run / "config.yaml") == tuple(words)
    assert recorded_overrides(run / "elsewhere" / "config.yaml") == ()


def test_a_run_from_before_training_weights_is_still_read(run):
    values = asdict(load_config("train", run / "config.yaml"))
    del values["training"]["weights"]
    write_yaml(run / "config.yaml", values)
    assert load_config("train", run / "config.yaml").training.weights is None


def test_single_keys_may_be_typed_on_top(run):
    config = load_config("train", run / "config.yaml", ["output=again", "training.steps=9", "network.dropout=0.1"])
    assert config.output == str(run.parent / "again")
    assert (config.training.steps, config.network["dropout"]) == (9, 0.1)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("network=unet", "network=unet: a composed config has its groups already"),
        ("~training.steps", "a key of a composed config can be changed, not deleted"),
        ("training.stes=1", "training.stes is not a key"),
        ("network.featurs=1", "network.featurs is not a parameter of segkit.networks.UNet"),
    ],
)
def test_what_cannot_be_typed_on_top(run, word, message):
    with pytest.raises(UsageError, match=message):
        load_config("train", run / "config.yaml", [word])


def test_a_run_goes_on_with_its_own_config(run):
    config = configure("train", ["resume=run", "training.workers=4"])
    assert config.resume == str(run)
    assert (config.training.workers, config.training.steps) == (4, 5)
    assert "steps: 5" in composed_yaml("train", ["resume=run"])


@pytest.mark.parametrize("word", ["training.steps=6", "data=paired", "output=x", "data.labels={a: 0, b: 1}"])
def test_what_would_make_it_another_run_is_refused(run, word):
    with pytest.raises(UsageError, match="cannot change when a run goes on"):
        configure("train", ["resume=run", word])


def test_no_run_to_go_on_with(run):
    with pytest.raises(UsageError, match="is not a run folder: there is no such folder"):
        configure("train", ["resume=nowhere"])
    with pytest.raises(UsageError, match="is not a run folder: it has no config"):
        configure("train", [f"resume={run.parent}"])


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("- 1\n", DataError, "holds no mapping"),
        ("a: !!python/object:os.system {}\n", DataError, "config.yaml"),
        ("seed: 1\n", UsageError, "config.yaml: data is not set"),
        ("sed: 1\n", UsageError, "config.yaml: sed is not a key; did you mean seed?"),
    ],
)
def test_files_that_are_no_config(run, text, error, message):
    write_text(run / "config.yaml", text)
    with pytest.raises(error, match=message):
        load_config("train", run / "config.yaml")


def test_nothing_in_a_recorded_config_is_resolved(run, monkeypatch):
    monkeypatch.setenv("SECRET", "secret")
    text = (run / "config.yaml").read_text().replace("name: paired", "name: ${oc.env:SECRET}", 1)
    write_text(run / "config.yaml", text)
    assert load_config("train", run / "config.yaml").data.name == "${oc.env:SECRET}"
