"""Counted randomness: a draw depends on what it is for, never on what was drawn before it."""

from __future__ import annotations

import hashlib
import operator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, *counter: int) -> np.random.Generator:
    """Give the random generator that belongs to one place in the run.

    The same tuple gives the same stream in any process and on any machine; different tuples, also of different
    length, give independent streams.

    Args:
        seed: the run's seed.
        counter: what the draw is for, for example (optimiser step, sample index).

    Returns:
        A generator over Philox 4x64, keyed by a 128-bit hash of the tuple.

    Raises:
        TypeError: when a value is not an integer.

    Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox).
    """
    import numpy as np

    return np.random.Generator(np.random.Philox(key=_key(b"generator", seed, counter)))


def seed_from(seed: int, *counter: int) -> int:
    """Give a seed for libraries that take one, keyed as `generator` is but independent of its stream.

    Args:
        seed: the run's seed.
        counter: what the seed is for, for example (optimiser step, sample index).

    Returns:
        An integer in [0, 2**31).

    Raises:
        TypeError: when a value is not an integer.
    """
    return _key(b"seed", seed, counter) & 0x7FFFFFFF


def _key(purpose: bytes, seed: int, counter: tuple[int, ...]) -> int:
    # Decimal text with separators is one to one for tuples of integers of any size and sign.
    text = ",".join(str(operator.index(value)) for value in (seed, *counter))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16, person=purpose).digest(), "little")
