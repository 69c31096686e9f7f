"""Why a plan is as it is, in a sentence for each choice: what one reads in `plan.yaml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from segkit.config.options import PlanOptions
from segkit.config.plan import Plan
from segkit.foundation.memory_size import GIGABYTE
from segkit.preparation.pyramid import SMALLEST_FEATURE
from segkit.preparation.sizing import ENOUGH, MOST_SEEN, Sized
from segkit.preparation.target_spacing import FINE_PERCENTILE

CONFIGURED = "as configured"


def reasons(
    plan: Plan, options: PlanOptions, sized: Sized, *, cases: int, schemes: Mapping[str, str], of_stand_in: bool
) -> dict[str, str]:
    """Give the reason for each choice.

    Args:
        plan: what was decided.
        options: what had been decided before.
        sized: grid, patch and batch.
        cases: in the fingerprint.
        schemes: why each channel is normalised as it is.
        of_stand_in: whether the memory is that of segkit's own U-Net, for a network that cannot be estimated.
    """
    return {
        "orientation": _orientation(plan),
        "spacing": _spacing(options, sized, cases),
        "resolution": _resolution(options, sized),
        "patch": _patch(options, sized),
        "batch": _batch(options, sized),
        "strides": f"{len(plan.strides)} levels: an axis is halved while {SMALLEST_FEATURE} voxels remain and it is "
        "not much coarser than the finest",
        "kernels": "3 along an axis, 1 while it is twice as coarse as the finest or more",
        "memory": _memory(options, sized, of_stand_in),
        **_neighbours(plan),
        "order": f"spline of order {plan.order} for images, {CONFIGURED}",
        **{f"normalisation.{name}": why for name, why in schemes.items()},
    }


def _orientation(plan: Plan) -> str:
    if plan.orientation is None:
        return "each scan keeps the order of its axes"
    return f"every scan's axes are ordered and directed as {plan.orientation}, so that each means the same everywhere"


def _spacing(options: PlanOptions, sized: Sized, cases: int) -> str:
    if options.spacing:
        return CONFIGURED
    text = f"median over {cases} cases"
    if sized.full.thick is not None:
        text += (
            f"; across the thick slices, axis {sized.full.thick}, the {FINE_PERCENTILE}th percentile, so that scans "
            "with thinner ones keep their detail"
        )
    if sized.grid.slice_axis is not None:
        text += f"; across slices, axis {sized.grid.slice_axis}, each scan's own"
    if sized.grid is not sized.full:
        steps = _times(f"{step:.3g}" for step in sized.full.spacing[sized.full.seen])
        text += f", {steps} mm, then coarsened until a patch saw {ENOUGH:.0%} of the median scan"
    return text


def _resolution(options: PlanOptions, sized: Sized) -> str:
    seen = sized.seen_at_full
    part = f"a patch sees {min(seen, 1):.0%} of the median scan at full resolution"
    if options.resolution == "low":
        if options.spacing:
            return f"low, at the spacing {CONFIGURED}"
        return f"{part}: low would be coarser, and equals full" if seen >= ENOUGH else f"low: {part}"
    if seen >= ENOUGH or options.dims == 2:
        return f"full: {part}"
    return f"full: {part}, {1 / seen:.0f} patches cover it; plan=low_3d sees {ENOUGH:.0%} of it at once"


def _neighbours(plan: Plan) -> dict[str, str]:
    if not plan.neighbours:
        return {}
    return {"neighbours": f"{plan.slices} slices of each channel at once, the outermost repeated, {CONFIGURED}"}


def _patch(options: PlanOptions, sized: Sized) -> str:
    median = _times(f"{size:.0f}" for size in sized.grid.sizes[sized.grid.seen])
    multiples = _times(sized.patch.pyramid.multiples)
    if options.patch:
        how = CONFIGURED
    elif all(sized.patch.sizes >= sized.grid.sizes[sized.grid.seen]):
        how = "all of the median scan"
    elif options.max_voxels or sized.memory is None:
        how = f"a cube in mm of {sized.patch.voxels} voxels"
    else:
        how = f"a cube in mm, cut where the patch saw most of the scan until {options.memory} held it"
    return f"{how}; the median scan has {median} voxels; in multiples of {multiples}, for the strides"


def _batch(options: PlanOptions, sized: Sized) -> str:
    if options.batch:
        return CONFIGURED
    if sized.memory is None:
        return "on a CPU many small steps beat few large ones"
    if sized.batch == sized.most:
        return f"{MOST_SEEN:.0%} of the data set's voxels a step"
    return f"as many as {options.memory} holds"


def _memory(options: PlanOptions, sized: Sized, of_stand_in: bool) -> str:
    text = f"{options.memory}; training takes about {sized.step_bytes / GIGABYTE:.1f} GB a step"
    text += " in float32" if sized.memory is None else " in bf16"
    if of_stand_in:
        text += ", estimated as for segkit's own U-Net"
    too_much = sized.memory is not None and sized.step_bytes > sized.memory
    return f"{text}: more than there is, with the patch and batch {CONFIGURED}" if too_much else text


def _times(numbers: Iterable[object]) -> str:
    return " x ".join(map(str, numbers))
