"""Cases that fail, each said with its reason; many that fail alike are said in one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from segkit.foundation.console import error, journal
from segkit.foundation.suggestions import some_of

FEW = 3  # cases of one reason that have a line each; of more, so many are named
# Reasons name files: alike are those that differ in nothing else. What stands between words (3/4) is no path.
_PATH = re.compile(r"(?<![\w/\\])(?:[A-Za-z]:)?[/\\]\S*[^\s:;,)]")


class TellFailure(Protocol):
    """Says why a case failed."""

    def __call__(self, name: str, reason: str) -> None:
        """Say, or count, the failure of the case `name` for `reason`."""


def say_failures(failed: Mapping[str, str], say: Callable[[str], None] = error, verdict: str = "") -> None:
    """Say why cases failed, all known by now: a line each, or one for more than `FEW` that fail alike.

    Args:
        failed: case name to the reason.
        say: prints a line.
        verdict: what becomes of a case, behind its name (`left out`).
    """
    singly, many = (f" is {verdict}", f" are {verdict}") if verdict else ("", "")
    for alike in groups_alike(failed):
        if len(alike) <= FEW:
            for name in alike:
                say(f"{name}{singly}: {failed[name]}")
            continue
        for name in alike:
            journal(f"{name}{singly}: {failed[name]}")
        say(f"{len(alike)} cases ({some_of(alike, FEW)}){many}: {_shared([failed[name] for name in alike])}")


@contextmanager
def failures_said(what: str = "cases") -> Iterator[TellFailure]:
    """Say why cases fail while the work goes on: the first of each reason at once, how many more when it ends.

    Args:
        what: fails, in the plural.

    Yields:
        a function that takes a case's name and its reason.
    """
    alike: dict[str, dict[str, str]] = {}

    def tell(name: str, reason: str) -> None:
        same = alike.setdefault(kind_of(name, reason), {})
        same[name] = reason
        (error if len(same) <= FEW else journal)(f"{name}: {reason}")

    try:
        yield tell
    finally:
        for same in alike.values():
            if names := list(same)[FEW:]:
                error(f"{len(names)} more {what} ({some_of(names, FEW)}): {_shared([same[name] for name in names])}")


def groups_alike(failed: Mapping[str, str]) -> list[list[str]]:
    """Return the names of the cases that fail alike, each group in the order of `failed`, the first group first."""
    groups: dict[str, list[str]] = {}
    for name, reason in failed.items():
        groups.setdefault(kind_of(name, reason), []).append(name)
    return list(groups.values())


def kind_of(name: str, reason: str) -> str:
    """Return a reason without the files that it names: it is the same for all cases that fail alike."""
    # Also in folders whose names hold blanks, where `_PATH` ends too early.
    own = re.sub(rf"(?<=[/\\]){re.escape(name)}(?![^\W_])", "*", reason)
    return _PATH.sub("*", own)


def _shared(reasons: Sequence[str]) -> str:
    return reasons[0] if len(set(reasons)) == 1 else f"e.g. {reasons[0]}"
