"""Paths, and sentences, on the command line: taken literally, whatever characters they hold."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from pathlib import Path

from segkit.config.addresses import address_from, is_address
from segkit.config.keys import Key, literal_keys
from segkit.foundation.errors import UsageError

PathValue = str | list[str] | None
_BEFORE_INTERPOLATION = re.compile(r"(\\*)\$\{")


def split_paths(schema: type, arguments: Sequence[str]) -> tuple[dict[str, PathValue], list[str]]:
    """Separate the overrides of path keys and of sentences, which never meet Hydra's grammar, from all others.

    Args:
        schema: the command's dataclass.
        arguments: the `key=value` words as typed.

    Returns:
        The absolute path, paths, sentence or None of each such key (the last one typed wins), and the other words in
        order.

    Raises:
        UsageError: when a path is empty or a pattern matches nothing.
    """
    keys = literal_keys(schema)
    paths: dict[str, PathValue] = {}
    others = []
    for argument in arguments:
        name, equals, text = argument.partition("=")
        key = keys.get(name.lstrip("+"))
        if key is None or not equals:
            others.append(argument)
        else:
            paths[key.name] = literal_value(key, text)
    return paths, others


def literal_value(key: Key, text: str) -> PathValue:
    """Read what was typed after `key=`.

    `null` is None. A sentence stays as it is. A key for several paths takes `[A,B]` or a pattern such as `runs/*`,
    unless a file or folder has that very name.

    Raises:
        UsageError: when `text` is empty, a pattern matches nothing, or what should be an address is none.
    """
    if text == "null":
        return None
    if not text:
        raise UsageError(f"{key.name}= is empty: write {key.name}={key.placeholder} or {key.name}=null")
    if key.is_text:
        return text
    if not key.is_list:
        return located(key, text)
    # A folder may itself be called `[A,B]`, and then it is meant.
    if text[0] == "[" and text[-1] == "]" and not os.path.lexists(absolute(text)):
        members = [member.strip() for member in text[1:-1].split(",")]
    else:
        members = [text]
    return [path for member in members if member for path in _expanded(key, member)]


def _expanded(key: Key, text: str) -> list[str]:
    path = absolute(text)
    if os.path.lexists(path) or not glob.has_magic(text):
        return [path]
    # The folders above may hold brackets of their own; only what was typed is a pattern.
    found = sorted(glob.glob(os.path.expanduser(text), recursive=True))  # noqa: PTH111, PTH207
    if not found:
        raise UsageError(f"{key.name}: no file or folder matches {text}")
    return [absolute(match) for match in found]


def located(key: Key, text: str) -> str:
    """Return a path as an absolute one, and an address, where the key takes one, as it is.

    Raises:
        UsageError: when what should be an address is none.
    """
    if key.metadata.get("or_address") and is_address(text):
        address_from(text, key.name)
        return text
    return absolute(text)


def absolute(text: str) -> str:
    """Return a path as an absolute one, seen from the working directory; `~` counts at the start only.

    Symbolic links stay as they are, and so does `..` behind a folder that may be one.
    """
    path = Path(os.path.expanduser(text))  # noqa: PTH111  (Path's own raises on a folder called ~name)
    leading = 0
    while leading < len(path.parts) and path.parts[leading] == "..":
        leading += 1
    if ".." in path.parts[leading:]:
        return str(path.absolute())
    return os.path.abspath(path)  # noqa: PTH100  (resolve() would follow links)


def escaped(path: str) -> str:
    """Write a path so that OmegaConf reads it back unchanged, should it hold `${`."""
    return _BEFORE_INTERPOLATION.sub(lambda match: match[1] * 2 + r"\${", path)
