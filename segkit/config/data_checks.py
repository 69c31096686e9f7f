"""Checks of what describes a data set and its plan, across their keys."""

from __future__ import annotations

from math import inf

from segkit.config.channels import channels_from
from segkit.config.labels import labels_from, swapped_classes
from segkit.config.options import DatasetOptions, PlanOptions, SplitOptions
from segkit.config.plan import AXES
from segkit.foundation.errors import UsageError
from segkit.foundation.memory_size import memory_bytes

LEAVE_ONE_OUT = "leave_one_out"
AUTO = "auto"
_AXIS_PAIRS = ("LR", "PA", "IS")


def check_split(split: SplitOptions) -> None:
    """Require sensible folds, and at most one way to say what is held out.

    Raises:
        UsageError: where that does not hold.
    """
    if split.folds != LEAVE_ONE_OUT and (not isinstance(split.folds, int) or split.folds < 2):
        raise UsageError(f"data.split.folds: {split.folds} is neither a number from 2 on nor {LEAVE_ONE_OUT}")
    if (split.outer_folds is None) != (split.outer_fold is None):
        raise UsageError("data.split.outer_folds and data.split.outer_fold belong together: set both or neither")
    if split.outer_folds is not None and split.outer_fold not in range(split.outer_folds):
        raise UsageError(f"data.split.outer_fold: {split.outer_fold} is none of 0 to {split.outer_folds - 1}")
    ways = {"held_out": split.held_out, "held_out_fraction": split.held_out_fraction, "outer_folds": split.outer_folds}
    used = [name for name, value in {**ways, "file": split.file}.items() if value]
    if len(used) > 1:
        raise UsageError(f"data.split.{used[0]} and data.split.{used[1]} are both set: pass data.split.{used[0]}=null")


def check_dataset(data: DatasetOptions) -> None:
    """Check channels, labels and mirrored pairs of a data set, as far as its yaml declares them.

    Raises:
        UsageError: where that does not hold.
    """
    check_split(data.split)
    if data.channels is not None:
        channels_from(data.channels)
    if data.labels is None:
        return
    swapped_classes(labels_from(data.labels, data.region_order), data.mirrored)


def check_plan(plan: PlanOptions) -> None:
    """Check what is decided for the planner: memory, axis codes, spacing and patch, one value per prepared axis.

    Raises:
        UsageError: where that does not hold.
    """
    if plan.memory != AUTO:
        memory_bytes(plan.memory)
    if plan.orientation is not None:
        axes = [next((pair for pair in _AXIS_PAIRS if code in pair), None) for code in plan.orientation]
        if None in axes or len(set(axes)) != AXES or len(axes) != AXES:
            raise UsageError(f"plan.orientation: {plan.orientation} is not three axis codes such as RAS or LPS")
    for name, sizes in (("spacing", plan.spacing), ("patch", plan.patch)):
        if sizes is None:
            continue
        if len(sizes) != AXES:
            raise UsageError(f"plan.{name}: {list(sizes)} needs {AXES} values, one per prepared axis")
        if not all(0 < size < inf for size in sizes):  # NaN neither
            raise UsageError(f"plan.{name}: {list(sizes)} must be above zero, and finite, everywhere")
    check_seen(plan)


def check_seen(plan: PlanOptions) -> None:
    """Require a patch and neighbours that a network of `plan.dims` dimensions can see.

    Raises:
        UsageError: where that does not hold.
    """
    if plan.patch is not None and plan.dims == AXES - 1 and plan.patch.count(1) != 1:
        raise UsageError(f"plan.patch: {plan.patch} must be 1 along exactly one axis, the one across the slices")
    if plan.neighbours and plan.dims == AXES:
        raise UsageError(
            f"plan.neighbours: {plan.neighbours} slices beside its own are for a 2D network: pass plan=slices_2_5d"
        )
    if plan.patch is not None and plan.dims == AXES and 1 in plan.patch:
        raise UsageError(f"plan.patch: {plan.patch} is flat: make each axis larger than 1, or pass plan=slices_2d")
