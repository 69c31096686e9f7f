"""The normalised surface Dice."""

from __future__ import annotations

from segkit.evaluation.metrics import LabelPair, Metric
from segkit.evaluation.settings import Settings


def surface_dice(pair: LabelPair) -> float:
    """Return the share of both surfaces that lies within the label's tolerance of the other, from 0 to 1.

    Surface elements are those of `settings.convention`, by area (`surface-distance`) or by voxel (MONAI).

    Source: Nikolov et al. 2021, JMIR 23(7):e26151, "surface Dice similarity coefficient"; NSD in Metrics Reloaded.
    """
    return pair.surfaces.surface_dice(pair.settings.tolerance_of(pair.name))


def METRICS(settings: Settings) -> tuple[Metric, ...]:  # noqa: N802  (declares, as METRIC does)
    """Return `nsd`, whose definition says the tolerances in mm."""
    own = "".join(f", {label} {tolerance:g} mm" for label, tolerance in settings.tolerances.items())
    by = "area" if settings.convention == "area" else "boundary voxels"
    definition = f"share of both surfaces, by {by}, within {settings.tolerance:g} mm of the other{own}"
    detail = "" if own else f"at {settings.tolerance:g} mm"
    return (Metric("nsd", "", definition, True, surface_dice, 0.0, group="surface", best=1.0, detail=detail),)
