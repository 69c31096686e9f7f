"""Help texts, read from the comments of conf/: what a yaml says about a key is what `--help` says."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from segkit.config.commands import CONFIGS
from segkit.config.groups import Sources, choices, find_config, groups, read_defaults
from segkit.config.typed import MISSING

_KEY = re.compile(r" *(?P<name>[\w-]+):(?P<value>| .*?)(?: +# *(?P<meaning>.*))?")
_LEFT = 34  # columns of `key=value` before its meaning
_WIDEST = 120
_SELF = "_self_"  # of a defaults list: where a yaml's own keys come among those of the files that it builds on
FLAGS = (
    ("--help", "this text; with GROUP=CHOICE words, the keys of that choice"),
    ("--cfg job", "print the composed config and stop"),
    ("--config-dir DIR", "your own folder laid out like conf/; it wins over segkit's; may be given several times"),
)
TRAIN_FLAGS = (
    ("--config FILE", "start from a composed config, such as RUN/config.yaml, instead of conf/"),
    ("-m, --multirun", "one training for each combination of key=A,B words"),
)


@dataclass(frozen=True)
class Line:
    """A key of a yaml: its dotted name, its value as written, and its comment."""

    name: str
    value: str
    meaning: str


def summary(sources: Sources, name: str) -> tuple[str, str]:
    """Return what a config is for and an example, both from its first comment.

    Args:
        sources: folders of configs.
        name: `train` or `network/unet`.

    Returns:
        The text before `: segkit ...`, and the command that follows ("" when there is none).
    """
    path = find_config(sources, name)
    lines = path.read_text(encoding="utf-8").splitlines() if path else []
    comments = [line.lstrip("# ") for line in lines if line.startswith("#") and "@package" not in line]
    what, _, example = (comments[0] if comments else "").partition(": segkit ")
    return what.rstrip("."), f"segkit {example}" if example else ""


def index_text(sources: Sources, commands: Iterable[str], version: str) -> str:
    """Return the text of `segkit --help`."""
    rows = [(command, summary(sources, command)[0]) for command in commands]
    return "\n".join(
        [
            f"segkit {version}: from scans to masks that can be trusted",
            "",
            "usage: segkit COMMAND KEY=VALUE ...",
            "",
            "commands",
            *_table(rows, left=14),
            "",
            "`segkit COMMAND --help` shows a command's keys, their values and an example.",
        ]
    )


def command_text(sources: Sources, command: str, words: Sequence[str] = ()) -> str:
    """Return the text of `segkit COMMAND --help`.

    Args:
        sources: folders of configs, the user's first.
        command: which command.
        words: what else was typed; `GROUP=CHOICE` shows the keys of that choice.
    """
    typed = dict(word.split("=", 1) for word in words if "=" in word)
    own = {field.name for field in fields(CONFIGS[command])} | {"experiment"}
    offered = {group: choice for group, choice in groups(sources, command).items() if group in own}
    chosen = {group: typed.get(group, default) for group, default in offered.items()}
    what, example = summary(sources, command)
    text = [f"{what}.", "", f"usage:   segkit {command} KEY=VALUE ..."]
    text += [f"example: {example}"] if example else []
    if chosen:
        text += ["", "groups (GROUP=CHOICE)", *_table(_group_rows(sources, chosen))]
    text += ["", "keys", *_table(_key_rows(documented(sources, command)))]
    for group, choice in chosen.items():
        if choice and choice != MISSING and find_config(sources, f"{group}/{choice}"):
            prefix = "" if group == "experiment" else f"{group}."
            lines = [replace(line, name=prefix + line.name) for line in documented(sources, f"{group}/{choice}")]
            title = f"{group}={choice}: {summary(sources, f'{group}/{choice}')[0]}"
            text += ["", *textwrap.wrap(title, _width(), subsequent_indent="  "), *_table(_key_rows(lines))]
    flags = (*FLAGS, *(TRAIN_FLAGS if command == "train" else ()))
    return "\n".join([*text, "", "flags", *_table(flags)])


def _group_rows(sources: Sources, chosen: Mapping[str, str | None]) -> list[tuple[str, str]]:
    rows = []
    for group, choice in chosen.items():
        note = " (must be chosen)" if choice == MISSING else ""
        left = group if choice in (None, MISSING) else f"{group}={choice}"
        rows.append((left, ", ".join(choices(sources, group)) + note))
    return rows


def _key_rows(lines: Iterable[Line]) -> list[tuple[str, str]]:
    return [(f"{line.name}={line.value}", line.meaning) for line in lines]


def documented(sources: Sources, name: str) -> list[Line]:
    """Return the keys of a yaml in their order, those of the files that it builds on included."""
    path = find_config(sources, name)
    if path is None:
        return []
    group = name.rpartition("/")[0]
    defaults = [entry for entry in read_defaults(sources, name) if isinstance(entry, str)]
    lines: dict[str, Line] = {}
    for entry in defaults if _SELF in defaults else [*defaults, _SELF]:
        found = read_lines(path) if entry == _SELF else documented(sources, f"{group}/{entry}".lstrip("/"))
        for line in found:
            before = lines.get(line.name)
            lines[line.name] = replace(line, meaning=before.meaning) if before and not line.meaning else line
    return list(lines.values())


def read_lines(path: Path) -> list[Line]:
    """Return the keys of one yaml with their comments, which may go on in lines of their own, aligned beneath.

    A list of mappings appears as `[...]`.
    """
    lines: list[Line] = []
    column = -1  # of the comment of the line above
    parents: list[tuple[int, str]] = []
    dash: int | None = None
    for text in path.read_text(encoding="utf-8").splitlines():
        indent = len(text) - len(text.lstrip())
        if indent == column and text.startswith("#", indent):
            lines[-1] = replace(lines[-1], meaning=f"{lines[-1].meaning} {text.lstrip('# ').rstrip()}")
            continue
        column = -1
        if text.startswith("- ", indent):
            dash = indent
        match = _KEY.fullmatch(text)
        if match is None or (dash is not None and indent > dash):
            continue  # a comment, a blank line, or inside a list
        dash = None
        parents = [(place, parent) for place, parent in parents if place < indent]
        name = ".".join([*(parent for _, parent in parents), match["name"]])
        lines.append(Line(name, match["value"].strip(), (match["meaning"] or "").strip()))
        parents.append((indent, match["name"]))
        column = text.rindex("#", 0, match.start("meaning")) if match["meaning"] else -1
    above = {line.name.rpartition(".")[0] for line in lines} | {"defaults"}
    return [replace(line, value=line.value or "[...]") for line in lines if line.name not in above]


def _width() -> int:
    return min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)


def _table(rows: Iterable[tuple[str, str]], left: int = _LEFT) -> list[str]:
    width = _width()
    column = left if width >= 2 * left else 6
    text = []
    for name, meaning in rows:
        wrapped = textwrap.wrap(meaning, max(width - column, 20)) or [""]
        if len(name) + 4 <= column:
            text.append(f"  {name:<{column - 2}}{wrapped.pop(0)}".rstrip())
        else:
            text.append(f"  {name}")
        text += [" " * column + line for line in wrapped if line]
    return text
