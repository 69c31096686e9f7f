"""Which job of an array a command is: `shard=2/8`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segkit.foundation.errors import UsageError


@dataclass(frozen=True)
class Shard:
    """One job of several that share an output.

    Attributes:
        index: which it is, from 1.
        count: how many there are.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, names: Iterable[str]) -> list[str]:
        """Return the names that are this job's: every `count`th in their order."""
        # Dealt, not cut: names next to each other often share a site and a size, and jobs should end together.
        return sorted(names)[self.index - 1 :: self.count]


def shard_from(text: str | None) -> Shard | None:
    """Read `2/8`; None stays None.

    Raises:
        UsageError: when it is not two numbers, the first from 1 to the second.
    """
    if text is None:
        return None
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise UsageError(f"shard={text}: write which of how many jobs this is, e.g. 2/8, counted from 1")
    return Shard(int(index), int(count))
