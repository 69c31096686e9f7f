"""Hands the pages that are made to MkDocs, and puts them into its navigation."""

from __future__ import annotations

import os
from pathlib import Path

import api_pages
import declared_pages
import licences
import notebook_pages
import reference_pages
import root_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]


def made_pages() -> dict[str, str | bytes]:
    """Return every page and picture that is made, by its path in the documentation."""
    executed = os.environ.get("SEGKIT_NOTEBOOKS")
    return {
        **root_pages.pages(ROOT),
        **reference_pages.pages(),
        **declared_pages.pages(),
        "reference/licences.md": licences.page(),
        **api_pages.pages(ROOT / "segkit"),
        **notebook_pages.pages(ROOT / "notebooks", Path(executed) if executed else None),
    }


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add what is made to the navigation, after the pages that mkdocs.yml names."""
    made = made_pages()
    below = {
        folder: [name for name in made if name.startswith(f"{folder}/") and name.endswith(".md")]
        for folder in ("notebooks", "reference", "api")
    }
    groups = [name for name in below["reference"] if name.startswith("reference/groups/")]
    commands = [name for name in below["reference"] if name not in groups]
    config.nav = [
        *(config.nav or []),
        {"Notebooks": below["notebooks"]},
        {"Reference": [*commands, {"Groups": groups}]},
        {"Python": below["api"]},
        {"Project": list(root_pages.PAGES.values())[1:]},
    ]
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links of a written page to files beside docs/, which lead to where the repository has them."""
    source = ROOT / "docs" / page.file.src_uri
    return root_pages.turned(markdown, ROOT, source.parent) if source.is_file() else markdown


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is made to the files of the documentation."""
    for name, content in made_pages().items():
        files.append(File.generated(config, name, content=content))
    return files
