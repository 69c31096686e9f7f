"""Ranges that are typed for a search: `optimizer.lr=tag(log,interval(1e-4,1e-2)) network=unet,residual_unet`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.types import Glob, IntervalSweep, Override, QuotedString, RangeSweep
from hydra.errors import HydraException

from segkit.config.groups import Sources, choices
from segkit.config.overrides import Overrides
from segkit.foundation.errors import UsageError, one_line

LOG = "log"


def without_ranges(read: Overrides, sources: Sources) -> tuple[Overrides, dict[str, Any]]:
    """Separate the words that name a range from those that name one value.

    Args:
        read: what was typed, sweeps welcome.
        sources: folders of configs, for `glob(...)` over a group's choices.

    Returns:
        The words of one value, and for each key of the others what `sweep.space` would hold for it.

    Raises:
        UsageError: when a range cannot be searched over.
    """
    ranges = {
        o.get_key_element(): _dimension(o, sources) for o in (*read.choices, *read.values) if o.is_sweep_override()
    }
    for key in ranges:
        if key == "sweep" or key.startswith("sweep."):
            raise UsageError(f"{key}: a search cannot vary itself: give it one value")
        if key == "data" or key.startswith("data."):
            raise UsageError(f"{key}: Dice on other cases would not compare: give it one value")
    kept = replace(
        read,
        choices=tuple(o for o in read.choices if not o.is_sweep_override()),
        values=tuple(o for o in read.values if not o.is_sweep_override()),
    )
    return kept, ranges


def _dimension(override: Override, sources: Sources) -> dict[str, Any]:
    value: Any = override.value()
    if isinstance(value, IntervalSweep):
        unknown = sorted(value.tags - {LOG})
        if unknown:
            raise UsageError(f"{override.input_line}: {unknown[0]} is no tag of an interval; the only one is {LOG}")
        return {"low": value.start, "high": value.end, "log": LOG in value.tags}
    if isinstance(value, RangeSweep):
        whole = value.range()  # of whole numbers a range, which lists nothing
        numbers: Sequence[Any] = whole if isinstance(whole, range) else [float(number) for number in whole]
        is_several = len(numbers) > 1
        return (
            {"low": numbers[0], "high": numbers[-1], "step": value.step} if is_several else {"choices": list(numbers)}
        )
    if isinstance(value, Glob):
        return {"choices": value.filter(choices(sources, override.key_or_group))}
    try:
        return {"choices": [_scalar(element) for element in override.sweep_iterator()]}
    except HydraException as error:
        raise UsageError(f"{override.input_line}: {one_line(error)}") from error


def _scalar(element: Any) -> Any:
    return element.text if isinstance(element, QuotedString) else element
