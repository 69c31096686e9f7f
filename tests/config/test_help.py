"""Help, out of the comments of conf/."""

import pytest

from segkit.config.commands import CONFIGS
from segkit.config.groups import config_sources, find_config
from segkit.config.help import command_text, documented, index_text, read_lines, summary
from segkit.config.keys import keys_of

SOURCES = config_sources()


def test_keys_values_and_meanings_are_read_from_a_yaml(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "# About.\ndefaults:\n  - b\nsize: 3   # of it\nlabels: {a: 1} # names\nempty:\n  deep: null\n"
        "steps:\n  - _target_: x.Y\n    prob: 0.1   # not a key\nlast: 'x'\nurl: a#b\n"
    )
    assert [(line.name, line.value, line.meaning) for line in read_lines(path)] == [
        ("size", "3", "of it"),
        ("labels", "{a: 1}", "names"),
        ("empty.deep", "null", ""),
        ("steps", "[...]", ""),
        ("last", "'x'", ""),
        ("url", "a#b", ""),
    ]


def test_a_comment_goes_on_in_lines_aligned_beneath_it(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "# About.\nexport: auto     # auto, nifti #2; beside\n                 # DICOM also seg\n"
        "  # of nothing\nlast: 1\n                 # of nothing either\n"
    )
    assert [(line.name, line.meaning) for line in read_lines(path)] == [
        ("export", "auto, nifti #2; beside DICOM also seg"),
        ("last", ""),
    ]
    exports = next(line for line in documented(SOURCES, "predict") if line.name == "export")
    assert "rtstruct" in exports.meaning


def test_a_choice_shows_the_keys_that_it_builds_on():
    lines = {line.name: line for line in documented(SOURCES, "network/residual_unet")}
    assert lines["block"].value == "residual"
    assert lines["block"].meaning == "plain, residual, dense, compact or multi_resolution"
    assert "features" in lines


def test_keys_come_in_the_order_of_the_defaults_list():
    names = [line.name for line in documented(SOURCES, "inspect")]
    assert names[:3] == ["output", "patches", "seed"]
    assert "workers" in names[3:]


def test_the_first_comment_says_what_a_command_does_and_how_to_call_it():
    what, example = summary(SOURCES, "train")
    assert what == "Train a network on one data set"
    assert example.startswith("segkit train data=hippocampus")


@pytest.mark.parametrize("command", [command for command in CONFIGS if find_config(SOURCES, command)])
def test_help_names_every_key_of_the_root_with_its_meaning(command):
    text = command_text(SOURCES, command)
    sections = {name for name, key in keys_of(CONFIGS[command]).items() if key.is_section or key.is_open}
    for name in keys_of(CONFIGS[command]):
        if "." not in name and name not in sections:
            assert f"\n  {name}=" in text
    assert f"segkit {command} KEY=VALUE" in text
    assert "--cfg job" in text


def test_help_follows_the_choices_typed(monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")  # lines are wrapped to the terminal
    text = command_text(SOURCES, "train", ["network=residual_unet", "data=phantom_ct"])
    assert "network.block=residual" in text
    assert "data.labels={background: 0, liver: 1" in text
    assert "phantom_ct, pictures, table (must be chosen)" in " ".join(command_text(SOURCES, "train").split())


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_help_fits_the_terminal(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    meanings = [line for line in command_text(SOURCES, "predict").splitlines() if line.startswith("      ")]
    assert all(len(line) <= columns for line in meanings)


def test_the_index_lists_commands_with_one_line_each():
    text = index_text(SOURCES, ["train", "predict"], "1.2")
    assert "segkit 1.2" in text
    assert "  train       Train a network on one data set\n" in text
