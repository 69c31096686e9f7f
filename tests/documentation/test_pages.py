"""The pages that scripts/documentation makes: what they hold, and that a broken link ends the build."""

import base64
import importlib
import sys
from pathlib import Path

import nbformat
import pytest

from segkit.cli import commands
from segkit.config.commands import CONFIGS
from segkit.config.groups import choices, config_sources
from segkit.config.help import documented
from segkit.config.keys import keys_of
from segkit.evaluation.metrics import declared
from segkit.evaluation.settings import Settings
from tests.documentation.blocks import PROJECT

FOLDER = PROJECT / "scripts" / "documentation"


@pytest.fixture
def module(monkeypatch):
    """Import one of the modules that make pages."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").is_file():
            del sys.modules[name]


def test_every_command_has_a_page_with_every_key_and_its_meaning(module):
    reference, sources = module("reference_pages"), config_sources()
    pages = reference.pages()
    for command in commands():
        page = pages[f"reference/{command}.md"]
        for line in documented(sources, command):
            assert f"| `{line.name}` |" in page
            assert reference.prose(line.meaning) in page
        assert f"[`segkit {command}`]({command}.md)" in pages["reference/index.md"]


def test_every_group_has_a_page_with_every_choice_and_its_keys(module):
    reference, sources = module("reference_pages"), config_sources()
    pages = reference.pages()
    for group in reference.group_users(sources):
        page = pages[f"reference/groups/{group}.md"]
        for choice in choices(sources, group):
            assert f"## {choice} {{#" in page
            for line in documented(sources, f"{group}/{choice}"):
                assert f"{line.name}` |" in page


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        ("predict", "run", "path"),
        ("predict", "input", "path or address"),
        ("train", "training.budget", "duration"),
        ("demo", "cases", "integer"),
        ("train", "data.split.held_out_fraction", "number, 0 to 0.9"),
        ("check", "debug", "true or false"),
    ],
)
def test_what_a_key_takes_is_said_in_words(module, command, name, words):
    assert module("reference_pages").takes(keys_of(CONFIGS[command])[name]).startswith(words)


def test_signs_of_a_comment_stand_for_themselves(module):
    prose = module("reference_pages").prose
    assert prose("e.g. *thorax*; a|b, snake_case <c>") == r"e.g. \*thorax\*; a\|b, snake\_case &lt;c&gt;"
    assert prose("pass `a=*|b` too") == "pass <code>a=*&#124;b</code> too"


def test_every_metric_is_listed_with_its_rule_for_empty_masks(module):
    page = module("declared_pages").metrics_page()
    for metric in declared(Settings()).values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| <code>{metric.name}</code> |")]
        assert module("reference_pages").prose(metric.rule) in row


def test_every_public_module_is_on_the_page_of_its_layer(module):
    pages = module("api_pages").pages(PROJECT / "segkit")
    text = "\n".join(pages.values())
    for name in ("segkit.volumes.grid", "segkit.training.losses.tversky", "segkit.commands.train"):
        assert f"::: {name}\n" in text
    assert "._" not in text


def test_links_of_the_root_lead_to_what_the_documentation_has(module, tmp_path):
    turned = module("root_pages").turned
    for name in ("README.md", "LICENSE", "docs/masks.png", "docs/how-to/a.md", "notebooks/first.py", "conf/x.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    told = {
        "![masks](docs/masks.png)": "![masks](masks.png)",
        "[how](docs/how-to/a.md#part)": "[how](how-to/a.md#part)",
        "[first](notebooks/first.py)": "[first](notebooks/first.md)",
        "[conf](conf)": "[conf](reference/index.md)",
        "[start](README.md#start)": "[start](index.md#start)",
        "[licence](LICENSE)": "licence",
        "[gone](docs/gone.md)": "[gone](docs/gone.md)",
        "[web](https://example.org/a)": "[web](https://example.org/a)",
    }
    assert {source: turned(source, tmp_path, tmp_path) for source in told} == told


def test_links_of_written_pages_lead_out_of_docs_and_within_it(module, tmp_path):
    for name in ("CONTRIBUTING.md", "docs/how-to/a.md", "docs/explanation/b.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    told = {
        "[new](../../CONTRIBUTING.md#new)": "[new](../contributing.md#new)",
        "[b](../explanation/b.md)": "[b](../explanation/b.md)",
        "[made](../reference/train.md)": "[made](../reference/train.md)",
    }
    turned = module("root_pages").turned
    assert {source: turned(source, tmp_path, tmp_path / "docs" / "how-to") for source in told} == told


def test_a_notebook_shows_what_it_printed_and_drew(module):
    draw = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(b"pixels").decode()})
    tell = nbformat.v4.new_output("stream", name="stdout", text="line\n" * 100)
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell("draw()", outputs=[draw, tell])]
    )
    pages = module("notebook_pages").notebook_page("study", book)
    page = pages["notebooks/study.md"]
    assert page.startswith("# Title")
    assert "```python\ndraw()\n```" in page
    assert "(study_1.png)" in page
    assert pages["notebooks/study_1.png"] == b"pixels"
    assert page.count("\nline") == 40
    assert "... 60 more lines" in page


def test_a_notebook_that_was_not_executed_ends_the_build(module, tmp_path):
    (tmp_path / "a.py").write_text("# %%\n1\n")
    notebooks = module("notebook_pages")
    assert "notebooks/a.md" in notebooks.pages(tmp_path, None)
    with pytest.raises(FileNotFoundError):
        notebooks.pages(tmp_path, tmp_path / "executed")


@pytest.mark.parametrize(
    ("link", "is_sound"),
    [
        ("other.md", True),
        ("other.md#there", True),
        ("gone.md", False),
        ("other.md#nowhere", False),
        ("../README.md", False),
        ("/other.html", False),
    ],
)
def test_a_broken_link_ends_the_build(link, is_sound, tmp_path):
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# Start\n\n[to]({link})\n")
    (docs / "other.md").write_text("# Other\n\n## There\n")
    config = load_config(
        str(PROJECT / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(tmp_path / "site"), hooks=[], plugins=[],
        extra_css=[], theme="mkdocs", strict=True,
    )  # fmt: skip
    config.nav = None
    if is_sound:
        build(config)
        assert Path(tmp_path / "site" / "index.html").is_file()
    else:
        with pytest.raises(Abort):
            build(config)


def test_no_dependency_has_an_unknown_licence_or_one_that_binds_who_shares_segkit(module):
    licences = module("licences")
    found = {name: text for name in licences.direct() if (text := licences.licence(name)) is not None}
    assert {"torch", "numpy", "pydicom", "optuna"} <= set(found)
    assert [name for name, text in found.items() if text == licences.UNKNOWN or licences.is_copyleft(text)] == []
    page = licences.page()
    assert all(f"| `{name}` | {extra or 'always'} |" in page for name, extra in licences.direct().items())


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("GPL-3.0-or-later", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("AGPL-3.0-only", True),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("LGPL-2.1-only", False),
        ("Apache-2.0", False),
    ],
)
def test_which_licences_bind(module, text, binds):
    assert module("licences").is_copyleft(text) is binds
