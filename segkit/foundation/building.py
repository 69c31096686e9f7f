"""What a config names by `_target_`, built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TARGET = "_target_"


def arguments_of(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands beside `_target_`."""
    return {name: value for name, value in part.items() if name != TARGET}


def build(part: Mapping[str, Any], *positional: Any) -> Any:
    """Call what `_target_` names with the arguments beside it, after `positional` ones.

    Arguments are handed over as they stand: a `_target_` inside them is not followed. A stranger's part passes
    `segkit.foundation.strangers.resolve_target` first.
    """
    from hydra.utils import get_class

    return get_class(part[TARGET])(*positional, **arguments_of(part))
