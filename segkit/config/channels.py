"""The channels of a data set, as `data.channels` declares them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segkit.foundation.errors import UsageError
from segkit.foundation.suggestions import did_you_mean, listed

FAMILIES = ("ct", "mr", "pet", "rgb", "none")
KEYS = ("family", "onto")
RGB = 3


@dataclass(frozen=True)
class Channel:
    """One image of a case.

    Attributes:
        family: `ct`, `mr`, `pet`, `rgb` or `none`, which decides the normalisation.
        onto: the channel on whose grid this one is resampled; None: it must lie on the first channel's grid.
    """

    family: str
    onto: str | None = None

    @property
    def width(self) -> int:
        """How many array channels it brings: a colour picture three."""
        return RGB if self.family == "rgb" else 1


def channels_from(declared: Mapping[str, str | Mapping[str, str]]) -> dict[str, Channel]:
    """Read channels as `data.channels` declares them: `T1: mr`, or `T2: {family: mr, onto: T1}`.

    Raises:
        UsageError: when there is none, a family or key is unknown, or `onto` names no channel that stays as it is.
    """
    if not declared:
        raise UsageError("data.channels is empty: write e.g. data.channels={CT: ct}")
    channels = {name: _channel(name, value) for name, value in declared.items()}
    for name, channel in channels.items():
        target = channels.get(channel.onto) if channel.onto else None
        if channel.onto and (target is None or target.onto is not None):
            raise UsageError(f"data.channels.{name}.onto: {channel.onto} is not a channel that stays on its own grid")
    # Masks leave on the first channel's grid, so it must be a grid that some file has.
    if next(iter(channels.values())).onto:
        raise UsageError("data.channels: the first channel gives the grid and cannot be resampled onto another")
    return channels


def _channel(name: str, value: str | Mapping[str, str]) -> Channel:
    words = {"family": value} if isinstance(value, str) else dict(value)
    for key in words:
        if key not in KEYS:
            raise UsageError(f"data.channels.{name}: {key} is not one of {listed(KEYS)}{did_you_mean(key, KEYS)}")
    family = words.get("family", "")
    if family not in FAMILIES:
        raise UsageError(
            f"data.channels.{name}: {family} is not one of {listed(FAMILIES)}{did_you_mean(family, FAMILIES)}"
        )
    return Channel(family, words.get("onto"))


def total_width(channels: Mapping[str, Channel]) -> int:
    """Return how many array channels all of them bring."""
    return sum(channel.width for channel in channels.values())
