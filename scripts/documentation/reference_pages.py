"""Reference pages of every command and group, from the yamls of conf/, their comments and the schema."""

from __future__ import annotations

import html
import re
import types
from collections.abc import Iterable
from typing import Any, Literal, Union, get_args, get_origin

from segkit.cli import commands
from segkit.config.commands import CONFIGS
from segkit.config.groups import Sources, choices, config_sources, groups
from segkit.config.help import FLAGS, TRAIN_FLAGS, Line, documented, summary
from segkit.config.keys import Key, keys_of
from segkit.config.typed import MISSING


def pages() -> dict[str, str]:
    """Return the index, a page for each command and one for each group, by path."""
    sources = config_sources()
    users = group_users(sources)
    return {
        "reference/index.md": index_page(sources, users),
        **{f"reference/{command}.md": command_page(sources, command) for command in commands()},
        **{f"reference/groups/{group}.md": group_page(sources, group, users[group]) for group in users},
    }


def group_users(sources: Sources) -> dict[str, list[str]]:
    """Return every group with the commands whose config it is part of."""
    users: dict[str, list[str]] = {}
    for command in commands():
        for group in groups(sources, command):
            users.setdefault(group, []).append(command)
    return users


def index_page(sources: Sources, users: Iterable[str]) -> str:
    """Return the page that names every command and group."""
    rows = [f"| [`segkit {name}`]({name}.md) | {prose(summary(sources, name)[0])} |" for name in commands()]
    listed = [
        f"| [`{group}`](groups/{group}.md) | {', '.join(f'`{choice}`' for choice in choices(sources, group))} |"
        for group in users
    ]
    return "\n".join(
        [
            "# Reference",
            "",
            "What `segkit COMMAND --help` says, for every command and every choice.",
            "`segkit COMMAND ... --cfg job` prints the config that words compose, and runs nothing.",
            "",
            "| command | does |",
            "|---|---|",
            *rows,
            "",
            "## Groups",
            "",
            "`GROUP=CHOICE` takes one of them; a yaml of your own in `DIR/GROUP/` is one more with `--config-dir DIR`.",
            "",
            "| group | choices |",
            "|---|---|",
            *listed,
            "",
        ]
    )


def command_page(sources: Sources, command: str) -> str:
    """Return the page of one command: example, groups, keys, flags."""
    what, example = summary(sources, command)
    text = [f"# segkit {command}", "", f"{prose(what)}.", ""]
    text += ["```bash", example, "```", ""] if example else []
    offered = groups(sources, command)
    if offered:
        text += ["## Groups", "", "| group | starts as | choices |", "|---|---|---|"]
        text += [_group_row(sources, group, choice) for group, choice in offered.items()]
        text += [""]
    declared = keys_of(CONFIGS[command])
    text += ["## Keys", "", *key_table(documented(sources, command), declared)]
    flags = (*FLAGS, *(TRAIN_FLAGS if command == "train" else ()))
    text += ["", "## Flags", "", "| flag | means |", "|---|---|"]
    text += [f"| `{flag}` | {prose(meaning)} |" for flag, meaning in flags]
    return "\n".join([*text, ""])


def _group_row(sources: Sources, group: str, choice: str | None) -> str:
    start = {None: "none", MISSING: "must be chosen"}.get(choice, f"`{choice}`")
    listed = ", ".join(f"[`{name}`](groups/{group}.md#{anchor(name)})" for name in choices(sources, group))
    return f"| [`{group}`](groups/{group}.md) | {start} | {listed} |"


def group_page(sources: Sources, group: str, users: Iterable[str]) -> str:
    """Return the page of one group: each choice with what it is for, and its keys."""
    declared = keys_of(CONFIGS[next(iter(users))])
    used = ", ".join(f"[`segkit {command}`](../{command}.md)" for command in users)
    text = [f"# {group}", "", f"`{group}=CHOICE`, a group of {used}.", ""]
    for choice in choices(sources, group):
        what, example = summary(sources, f"{group}/{choice}")
        text += [f"## {choice} {{#{anchor(choice)}}}", "", f"{prose(what)}.", ""]
        text += ["```bash", example, "```", ""] if example else []
        prefix = "" if group == "experiment" else f"{group}."
        lines = [
            Line(prefix + line.name, line.value, line.meaning) for line in documented(sources, f"{group}/{choice}")
        ]
        text += [*key_table(lines, declared), ""] if lines else []
    return "\n".join(text)


def key_table(lines: Iterable[Line], declared: dict[str, Key]) -> list[str]:
    """Return a Markdown table of keys: name, what it takes, its value in the yaml, its meaning."""
    rows = [
        f"| `{line.name}` | {takes(declared.get(line.name))} | {code(line.value)} | {prose(line.meaning)} |"
        for line in lines
    ]
    return ["| key | takes | is | meaning |", "|---|---|---|---|", *rows]


def takes(key: Key | None) -> str:
    """Return in words what a key of the schema takes; "" where the schema leaves that to a class."""
    if key is None:
        return ""
    if key.is_path:
        return "path" + (" or address" if key.metadata.get("or_address") else "")
    if key.metadata.get("duration"):
        return "duration"
    if key.metadata.get("choices"):
        return ", ".join(code(str(choice)) for choice in key.metadata["choices"])
    named = prose(_hint(key.hint))
    low, high = key.metadata.get("minimum"), key.metadata.get("maximum")
    if low is None:
        return named
    return f"{named}, {low:g} to {high:g}" if high != float("inf") else f"{named}, {low:g} or more"


def _hint(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_hint(each) for each in inner if each is not type(None)))
    if origin is Literal:
        return ", ".join(map(str, inner))
    if origin is list:
        return f"list of {_hint(inner[0])}" if inner else "list"
    if origin is dict:
        return "mapping"
    words = {str: "text", int: "integer", float: "number", bool: "true or false", Any: "anything"}
    return words.get(hint, "section")


def anchor(choice: str) -> str:
    """Return the anchor of a choice on its group's page."""
    return re.sub(r"[^a-z0-9_-]+", "-", choice.lower())


def code(value: str) -> str:
    """Return a value as Markdown code for a table's cell; nothing for nothing."""
    return f"<code>{html.escape(value).replace('|', '&#124;')}</code>" if value else ""


def prose(text: str) -> str:
    """Return a comment as Markdown for a table's cell: its signs stand for themselves, code between backticks stays."""
    parts = text.split("`")
    plain = [re.sub(r"([*_\[\]\\|{}])", r"\\\1", html.escape(part, quote=False)) for part in parts[::2]]
    marked = [f"<code>{html.escape(part).replace('|', '&#124;')}</code>" for part in parts[1::2]]
    return "".join(piece for pair in zip(plain, [*marked, ""], strict=False) for piece in pair)
