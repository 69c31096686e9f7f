"""The keys that a schema declares."""

import pytest

from segkit.config.commands import CONFIGS, TrainConfig
from segkit.config.keys import declared_key, keys_of, path_keys
from segkit.foundation.errors import UsageError


def test_nested_keys_stand_under_their_sections():
    keys = keys_of(TrainConfig)
    assert next(iter(keys)) == "data"
    assert keys["data.split"].is_section
    assert keys["data.split.held_out"].is_path
    assert keys["network"].is_open
    assert keys["data.labels"].is_table
    assert not keys["network"].is_table


def test_path_keys_of_each_command():
    data = {"data.root", "data.columns", "data.split.held_out", "data.split.file"}
    inputs = {*data, "plan.file", "resume", "study.resume"}
    assert {*inputs, "training.weights", "output", "study.folder", "paths.runs", "paths.cache"} == set(
        path_keys(TrainConfig)
    )
    assert {*data, "run", "input", "output", "pacs.folder"} == set(path_keys(CONFIGS["predict"]))
    assert path_keys(CONFIGS["predict"])["run"].is_list


def test_a_section_may_be_left_out():
    keys = keys_of(CONFIGS["convert"])
    assert keys["data"].is_section
    assert keys["data"].is_optional_section
    assert keys["data.root"].is_path
    assert not keys_of(TrainConfig)["data"].is_optional_section
    assert not keys["workers"].is_section


@pytest.mark.parametrize(
    ("typed", "declared"),
    [
        ("training.budget", "training.budget"),
        ("network.features", "network"),
        ("augmentation.transforms.0.prob", "augmentation.transforms"),
        ("data.labels.liver", "data.labels"),
        ("training", "training"),
    ],
)
def test_a_key_is_found_by_what_declares_it(typed, declared):
    assert declared_key(TrainConfig, typed).name == declared


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("training.budgt", "did you mean training.budget? training has budget, steps, "),
        ("budget", "did you mean training.budget? the keys are data, "),
        ("training.seed", "did you mean seed?"),
        ("trainin.budget", "did you mean training.budget?"),
        ("training.steps.x", "is not a key; training has budget, steps, "),
        ("data.split.fold", "did you mean data.split.folds? data.split has held_out, held_out_fraction, folds"),
        ("qqq", "qqq is not a key; the keys are data, "),
    ],
)
def test_an_unknown_key_names_the_one_that_was_meant_and_its_neighbours(typed, hint):
    with pytest.raises(UsageError) as caught:
        declared_key(TrainConfig, typed)
    assert hint in str(caught.value)
    assert str(caught.value).startswith(f"{typed} is not a key")


def test_groups_that_are_no_keys_are_known_too():
    with pytest.raises(UsageError, match="did you mean experiment"):
        declared_key(TrainConfig, "experimnt", also=["experiment"])
