"""Every combination of the swept overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException

from segkit.config.groups import Sources, choices
from segkit.config.overrides import read_overrides
from segkit.foundation.errors import UsageError, one_line


@dataclass(frozen=True)
class Combination:
    """One combination: the words that tell it from the others, and all words of its training."""

    swept: tuple[str, ...]
    words: tuple[str, ...]


def expand(words: Sequence[str], sources: Sources) -> list[Combination]:
    """Return every combination of the swept overrides, the last one typed varying fastest.

    Paths are never swept: `output=a,b` is one folder called `a,b`.

    Raises:
        UsageError: when a word is malformed, or asks for an interval, which only a search can draw from.
    """
    read = read_overrides("train", words, sources, sweep=True)
    if "resume" in read.paths:
        raise UsageError("resume goes on with one run: leave out -m, or go on with a study by study.resume=DIR")
    is_swept = {o.input_line: o for o in (*read.choices, *read.values) if o.is_sweep_override()}
    values = [_values(is_swept[word], sources) if word in is_swept else [word] for word in words]
    return [
        Combination(tuple(w for w, typed in zip(chosen, words, strict=True) if typed in is_swept), tuple(chosen))
        for chosen in product(*values)
    ]


def _values(override: Override, sources: Sources) -> list[str]:
    if not override.is_discrete_sweep():
        raise UsageError(f"{override.input_line}: an interval has no end of values; write A,B or range(start,stop)")
    pattern: Any = override.value()
    try:
        if isinstance(pattern, Glob):
            texts = pattern.filter(choices(sources, override.key_or_group))
        else:
            texts = list(override.sweep_string_iterator())
    except HydraException as error:
        raise UsageError(f"{override.input_line}: {one_line(error)}") from error
    if not texts:
        raise UsageError(f"{override.input_line}: nothing to sweep over")
    return [f"{override.get_key_element()}={text}" for text in texts]
