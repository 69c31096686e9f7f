"""The names of run folders."""

from __future__ import annotations

import re
from collections.abc import Mapping

from segkit.config.search import Scalar
from segkit.studies.search.drawing import shown

_UNSAFE = re.compile(r"[^\w.,=+-]+")
_LONGEST = 100  # characters


def trial_name(number: int, params: Mapping[str, Scalar]) -> str:
    """Return a trial's folder: its number, which makes it unique, and its settings, for people."""
    return f"{number:03d},{_UNSAFE.sub('_', shown(params))}"[:_LONGEST].rstrip("._,")
