"""Words in messages: the one that was probably meant, and many of them in a sentence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from itertools import islice

from segkit.foundation.errors import one_line


def did_you_mean(word: str, choices: Iterable[str], nearness: float = 0.6) -> str:
    """Return `; did you mean CHOICE?` for the choice nearest to a mistyped word, or "" when none is near.

    Args:
        word: as typed.
        choices: what it could have been.
        nearness: 0 to 1 (equal), the least likeness that counts.
    """
    # Compared without case: `ADAMW` is near to `AdamW`, which difflib alone would not see.
    by_lower_case = {choice.lower(): choice for choice in choices}
    near = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=nearness)
    return f"; did you mean {by_lower_case[near[0]]}?" if near else ""


def listed(choices: Iterable[str]) -> str:
    """Return choices as they stand in a sentence: `a, b, c`, or `none` when there are none."""
    return one_line(", ".join(choices)) or "none"  # names of a damaged table hold anything


def some_of(names: Collection[str], most: int = 5) -> str:
    """Return names in a sentence, of many the first: `a, b, c ...`."""
    return ", ".join(islice(names, most)) + (" ..." if len(names) > most else "")
