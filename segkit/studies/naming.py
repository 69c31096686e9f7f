"""Names of trials: of their folders, safe on every disk, and told apart among runs of several studies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from segkit.studies.trial import RESERVED

_UNSAFE = re.compile(r"[^\w.,=+-]+")
_MOST_BYTES = 100  # of a name; disks take 255, of which a mask's or a lock's suffix needs some


def plain_name(text: str) -> str:
    """Return a text as a folder's name: what is unsafe is replaced, and what is too long cut off."""
    short = _UNSAFE.sub("_", text).encode()[:_MOST_BYTES].decode(errors="ignore")
    return short.lstrip("._").rstrip("._,")


def trial_name(swept: Sequence[str], taken: Iterable[str]) -> str:
    """Return a folder's name that tells a trial from the others."""
    return distinct(plain_name(",".join(word.lstrip("+") for word in swept)) or "trial", (*taken, *RESERVED))


def distinct(name: str, taken: Iterable[str]) -> str:
    """Return a name, with a number behind it where it is taken: `liver-2`."""
    number, found = 1, name
    # Some file systems take a and A for one name.
    lower = {other.lower() for other in taken}
    while found.lower() in lower:
        number += 1
        found = f"{name}-{number}"
    return found


def told_apart(paths: Sequence[Path]) -> list[str]:
    """Return each path's last part, after as many of those before it as tell it from the others."""
    return [_told_from(path, [other for other in paths if other != path]) for path in paths]


def _told_from(path: Path, others: Sequence[Path]) -> str:
    depth = 1
    while depth < len(path.parts) and any(other.parts[-depth:] == path.parts[-depth:] for other in others):
        depth += 1
    return "/".join(path.parts[-depth:])
