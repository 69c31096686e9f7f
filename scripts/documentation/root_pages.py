"""The pages of the repository's root, with their links turned to where the documentation has the same."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "scripts/benchmarks/RESULTS.md": "measured.md",
}
_LINK = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)")


def pages(root: Path) -> dict[str, str]:
    """Return each page with its text.

    Args:
        root: of the repository.
    """
    return {
        page: turned((root / source).read_text(encoding="utf-8"), root, (root / source).parent)
        for source, page in PAGES.items()
    }


def turned(text: str, root: Path, folder: Path) -> str:
    """Turn the links of a page that lies in a folder of the repository: the root, scripts or docs.

    A link to what the documentation has leads there; one to another file of the repository becomes its text; one to
    nothing stays, so that the build ends with it.
    """

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        if "://" in target or not (folder / target).exists():
            return match[0]
        name = (folder / target).resolve().relative_to(root.resolve()).as_posix()
        place = _place(name)
        if place is None:
            return match["text"]
        return f"{match['picture']}[{match['text']}]({up}{place}{match['anchor'] or ''})"

    inside = folder.resolve().relative_to(root.resolve()).parts
    up = "../" * (len(inside) - 1) if inside[:1] == ("docs",) else ""  # pages of the root lie at the top
    return _LINK.sub(link, text)


def _place(name: str) -> str | None:
    if name in PAGES:
        return PAGES[name]
    if name.startswith("docs/"):
        return name.removeprefix("docs/")
    if name.startswith("notebooks/") and name.endswith(".py"):
        return name.removesuffix(".py") + ".md"
    return "reference/index.md" if name == "conf" else None
