"""Every `segkit ...` line of the README, of docs/ and of conf/ composes, and every key that a page names exists."""

import re
import shlex
from pathlib import Path

import pytest

from segkit.cli import commands, parse_line
from segkit.config.call import Call
from segkit.config.commands import CONFIGS
from segkit.config.compose import configure
from segkit.config.groups import choices, conf_folder, config_sources, groups
from segkit.config.help import documented, summary
from segkit.config.keys import keys_of
from segkit.studies.sweep import compositions
from tests.documentation.blocks import PAGES, PROJECT, blocks, inline_codes, segkit_lines

FILES = (".csv", ".html", ".json", ".parquet", ".png", ".py", ".yaml")
YAMLS = [path.relative_to(conf_folder()).with_suffix("").as_posix() for path in sorted(conf_folder().rglob("*.yaml"))]
EXAMPLES = {name: shlex.split(summary(config_sources(), name)[1])[1:] for name in YAMLS}
LINES = [
    *(
        pytest.param(words, id=f"{page.relative_to(PROJECT).as_posix()}: {' '.join(words)[:90]}")
        for page in PAGES
        for words in segkit_lines(page)
    ),
    *(
        pytest.param(words, id=f"conf/{name}.yaml")
        for name, words in EXAMPLES.items()
        if words and "..." not in words  # of options that go with any call
    ),
]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where a page's commands are typed: with the yamls that pages tell to write."""
    for page in PAGES:
        for block in blocks(page):
            if block.title.startswith("my_"):
                path = tmp_path / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.body)
    for name in ("a", "b"):  # leave_one_out counts the cases of DIR, which yamls name as the root of a data set
        for part in ("images", "labels"):
            (tmp_path / "DIR" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "DIR" / part / f"{name}.nii.gz").write_text(name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", LINES)
def test_a_command_line_of_a_page_composes(words, folder):
    line = parse_line(words)
    command, *overrides = [word.replace("/UID", "/1.2.840.1") for word in line.words]
    assert command in commands()
    if any(word.startswith("loss=log_cosh_dice") for word in overrides):
        return  # which CONTRIBUTING adds: test_guides.py does so
    if line.switches & {"--help", "--version"} or any(word.startswith("COMMAND") for word in words):
        return
    if command == "cache":
        overrides = [word if "=" in word else f"action={word}" for word in overrides]
    call = Call(command, tuple(overrides), line.all("--config-dir"), folder)
    if any(word.startswith(("resume=", "study.resume=")) for word in overrides):
        # What goes on is read from the run, and there is none: the keys alone can be looked at.
        assert all(word.split("=")[0] in keys_of(CONFIGS[command]) for word in overrides)
    elif "--multirun" in line.switches:
        for word in overrides:
            if word.startswith("data.root="):
                (folder / word.partition("=")[2]).mkdir(exist_ok=True)
        assert len(compositions(call)) > 1
    else:
        configure(command, overrides, config_dirs=call.config_dirs)


def test_the_pages_hold_commands():
    counts = {page.name: len(segkit_lines(page)) for page in PAGES}
    assert counts["README.md"] > 10
    assert counts["own-scans.md"] > 5
    assert sum(map(bool, EXAMPLES.values())) > 30


@pytest.fixture(scope="module")
def known_keys() -> set[str]:
    """Every dotted key that some command takes, the sections above each included."""
    sources = config_sources()
    names = set()
    for command in commands():
        names |= {*keys_of(CONFIGS[command]), *(line.name for line in documented(sources, command))}
        for group in groups(sources, command):
            names |= {group}
            for choice in choices(sources, group):
                names |= {f"{group}.{line.name}" for line in documented(sources, f"{group}/{choice}")}
    return names | {name.rsplit(".", count)[0] for name in names for count in range(1, name.count(".") + 1)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_keys_and_choices_that_a_page_names_exist(page, known_keys):
    sources = config_sources()
    top = {name.split(".")[0] for name in known_keys}
    unknown = []
    for code in inline_codes(page):
        match = re.fullmatch(r"(?P<key>[a-z_]+(?:\.[a-z_0-9]+)*)(?P<equals>=(?P<value>[a-z0-9_]+))?", code)
        if match is None or match["key"].split(".")[0] not in top:
            continue  # no key: a class, a word of another program
        if match["key"].endswith(FILES):
            continue
        key, value = match["key"], match["value"]
        if "." in key or match["equals"]:
            unknown += [] if key in known_keys else [code]
        offered = choices(sources, key)
        if value and offered and value != "null":
            unknown += [] if value in offered else [code]
    assert not unknown
