"""What the pages for people hold: command lines, and files that they tell to write."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "docs").rglob("*.md"))]
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)(?P<options>[^\n]*)\n(?P<body>.*?)^(?P=indent)```", re.M | re.S
)
_TITLE = re.compile(r'title="(?P<title>[^"]+)"')
_CODE = re.compile(r"(?<!`)`(?P<code>[^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it belongs into ("" for none), its text."""

    language: str
    title: str
    body: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    found = []
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        title = _TITLE.search(match["options"])
        found.append(Block(match["language"], title["title"] if title else "", match["body"]))
    return found


def segkit_lines(page: Path) -> list[list[str]]:
    """Return the words behind `segkit` of each command line in the bash blocks of a page."""
    lines = []
    for block in blocks(page):
        if block.language == "bash":
            for line in block.body.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                lines += [words[1:]] if words[:1] == ["segkit"] else []
    return lines


def inline_codes(page: Path) -> list[str]:
    """Return what stands between single backticks outside the fenced blocks of a page."""
    return [match["code"] for match in _CODE.finditer(_FENCE.sub("", page.read_text(encoding="utf-8")))]
