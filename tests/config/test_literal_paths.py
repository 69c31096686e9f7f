"""Paths, whatever characters they hold."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from segkit.config.commands import CONFIGS, TrainConfig
from segkit.config.compose import configure
from segkit.config.keys import path_keys
from segkit.config.literal_paths import absolute, escaped, literal_value, split_paths
from segkit.foundation.errors import UsageError

RUN = path_keys(CONFIGS["predict"])["run"]
INPUT = path_keys(CONFIGS["predict"])["input"]
ODD = ["DOE^JOHN (1) ü=~&", "a,b", "[x]", "{y}", "${oc.env:HOME}", "$HOME", "a'b\"c", "#1", "???", "back\\slash", " a "]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ODD)
def test_a_path_is_taken_as_it_stands(folder, name):
    assert literal_value(INPUT, name) == f"{folder}/{name}"
    assert literal_value(INPUT, f"/scans/{name}") == f"/scans/{name}"


def test_only_path_keys_leave_hydras_grammar():
    paths, others = split_paths(TrainConfig, ["data.root=/x/a b", "seed=1", "+output=o", "output=p", "~resume", "data"])
    assert paths == {"data.root": "/x/a b", "output": str(Path.cwd() / "p")}
    assert others == ["seed=1", "~resume", "data"]


@pytest.mark.parametrize(
    "sentence", [*(name for name in ODD if name != "???"), "livers, in CT (adults); not for children", "key='a'"]
)
def test_a_sentence_is_taken_as_it_stands_and_is_no_path(sentence):
    texts, others = split_paths(CONFIGS["package"], [f"intended_use={sentence}", "licence=null", "debug=true"])
    assert texts == {"intended_use": sentence, "licence": None}
    assert others == ["debug=true"]
    assert configure("package", ["run=.", "output=a.segkit", f"intended_use={sentence}"]).intended_use == sentence


def test_null_and_empty():
    assert literal_value(INPUT, "null") is None
    with pytest.raises(UsageError, match="input= is empty: write input=PATH or input=null"):
        literal_value(INPUT, "")


def test_the_home_folder_counts_at_the_start_only(folder, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert absolute("~/x") == "/home/ada/x"
    assert absolute("a~b") == f"{folder}/a~b"
    assert absolute("~no such person/x") == f"{folder}/~no such person/x"


def test_parent_folders(folder):
    assert absolute("../x") == str(folder.parent / "x")
    assert absolute("a/../b") == f"{folder}/a/../b", "a may be a link to elsewhere"


def test_several_runs(folder):
    for name in ("r1", "r2", "s"):
        (folder / name).mkdir()
    assert literal_value(RUN, "[r1, s]") == [f"{folder}/r1", f"{folder}/s"]
    assert literal_value(RUN, "r*") == [f"{folder}/r1", f"{folder}/r2"]
    assert literal_value(RUN, "[s,r?]") == [f"{folder}/s", f"{folder}/r1", f"{folder}/r2"]
    assert literal_value(RUN, "new") == [f"{folder}/new"]


def test_a_pattern_that_matches_nothing_is_a_mistake():
    with pytest.raises(UsageError, match=r"run: no file or folder matches runs/\*"):
        literal_value(RUN, "runs/*")


@pytest.mark.parametrize("name", ["r*", "[a,b]", "[a]"])
def test_a_folder_of_that_very_name_wins(folder, name):
    (folder / name).mkdir()
    (folder / "r1").mkdir()
    assert literal_value(RUN, name) == [f"{folder}/{name}"]


@given(st.text(st.sampled_from("\\${}ab ~'\",:"), max_size=12))
def test_omegaconf_reads_an_escaped_path_back(text):
    path = f"/x{text}y"
    config = OmegaConf.create({"root": escaped(path), "images": "${root}/images"})
    assert config.root == path
    assert OmegaConf.to_container(config, resolve=True) == {"root": path, "images": f"{path}/images"}


def test_the_working_directory_stays(folder):
    literal_value(INPUT, "a")
    assert Path.cwd() == folder
