"""`segkit cache list|clean`: what the prepared cases on disk take, and how they are removed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import inf
from pathlib import Path

from segkit.config.commands import CacheConfig
from segkit.foundation.console import say, table, warn
from segkit.foundation.durations import format_duration, parse_duration
from segkit.foundation.memory_size import size_text
from segkit.preparation.upkeep import (
    FINGERPRINTS,
    STEP_SECONDS,
    Entry,
    check_is_cache,
    file_entries,
    is_ours,
    prepared_entries,
    remove,
    remove_remains,
)

SHORT = 8  # characters of a plan's hash that tell plans apart
COLUMNS = ("images", "plan", "cases", "size", "unused for")


def cache(config: CacheConfig) -> int:
    """List what lies in `paths.cache`, or remove it.

    Returns:
        bytes that lie there, or were freed.

    Raises:
        UsageError: when the folder is no cache of segkit.
    """
    store = Path(config.paths.cache)
    if not store.exists():
        say(f"{store} does not exist: nothing is prepared")
        return 0
    check_is_cache(store)
    kinds = [prepared_entries(store), file_entries(store, FINGERPRINTS), file_entries(store, STEP_SECONDS)]
    return listed(store, kinds) if config.action == "list" else cleaned(store, kinds, config.unused)


def listed(store: Path, kinds: Sequence[Sequence[Entry]]) -> int:
    """Print one line per data set and plan, and the totals; return the bytes of all."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in kinds[0]:
        images, plan = (str(entry.record.get(key, "damaged")) for key in ("images", "plan"))
        groups.setdefault((images, plan[:SHORT]), []).append(entry)
    now = time.time()
    rows = [
        (*group, len(entries), size_text(total(entries)), format_duration(now - max(entry.used for entry in entries)))
        for group, entries in sorted(groups.items())
    ]
    if rows:
        table("", COLUMNS, rows)
    size = sum(map(total, kinds))
    say(f"{counted(kinds)}, {size_text(size)}, in {store}")
    return size


def cleaned(store: Path, kinds: Sequence[Sequence[Entry]], unused: str | None) -> int:
    """Remove entries that nothing uses, and say what stays; return the bytes freed."""
    before = inf if unused is None else time.time() - parse_duration(unused)
    old = [entry for kind in kinds for entry in kind if entry.used < before]
    gone = {entry.path for entry in old if remove(entry, store, before)}
    remove_remains(store)
    kept = [entry.path for entry in old if entry.path not in gone and entry.path.exists()]
    foreign = [path for path in kept if path.is_dir() and not is_ours(path)]
    for path in foreign:
        warn(f"{path} holds files that are not segkit's, and stays")
    if len(kept) > len(foreign):
        say(f"{len(kept) - len(foreign)} stay, since a running process uses them")
    freed = [[entry for entry in kind if entry.path in gone] for kind in kinds]
    size = sum(map(total, freed))
    say(f"removed {counted(freed)}: {size_text(size)} freed in {store}")
    return size


def counted(kinds: Sequence[Sequence[Entry]]) -> str:
    """Return how many entries there are of each kind."""
    cases, fingerprints, timings = map(len, kinds)
    return f"{cases} prepared cases, {fingerprints} fingerprints and {timings} timed steps"


def total(entries: Sequence[Entry]) -> int:
    """Return the bytes of entries together."""
    return sum(entry.size for entry in entries)
