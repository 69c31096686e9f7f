"""The distances between surfaces: Hausdorff, its robust form, and two averages."""

from __future__ import annotations

from collections.abc import Callable

from segkit.evaluation.metrics import LabelPair, Metric, Worst
from segkit.evaluation.settings import Settings

MAXIMUM = 100
WORST = Worst("the grid's diagonal in mm", lambda pair: pair.diagonal)  # finite, so that a mean over cases is


def METRICS(settings: Settings) -> tuple[Metric, ...]:  # noqa: N802  (declares, as METRIC does)
    """Return `hd`, the robust one by its percentile (`hd95`), `assd` and `masd`, all in mm.

    Whatever lies outside the label counts as outside, the image's border too. Distances run between surface elements
    of `settings.convention`, whose figures differ: by area as DeepMind's `surface-distance`, by voxel as MONAI and
    MedPy. The percentile of weighted elements is the smallest distance that holds that share of the surface; of counted
    ones it is interpolated.

    Source: `SurfaceDistances` names the papers.
    """
    robust, percent = f"hd{settings.percentile:g}", f"{settings.percentile:g}"
    by = "weighted by area" if settings.convention == "area" else "of boundary voxels"
    of = "of all distances" if settings.direction == "pooled" else "of each direction's distances, the larger one"
    return (
        _in_mm("hd", f"largest distance from one surface to the nearest point of the other, {by}", hausdorff),
        *(
            ()
            if settings.percentile == MAXIMUM
            else (_in_mm(robust, f"{percent}th percentile {of}, {by}", robust_hausdorff),)
        ),
        _in_mm("assd", f"mean distance over the elements of both surfaces, {by}", assd),
        _in_mm("masd", f"mean of both directions' mean distances, {by}", masd),
    )


def hausdorff(pair: LabelPair) -> float:
    """Return the largest distance in mm from one surface to the other."""
    return pair.surfaces.hausdorff(MAXIMUM)


def robust_hausdorff(pair: LabelPair) -> float:
    """Return the percentile of the distances in mm that the settings ask for."""
    return pair.surfaces.hausdorff(pair.settings.percentile, pooled=pair.settings.direction == "pooled")


def assd(pair: LabelPair) -> float:
    """Return the average symmetric surface distance in mm."""
    return pair.surfaces.assd


def masd(pair: LabelPair) -> float:
    """Return the mean average surface distance in mm."""
    return pair.surfaces.masd


def _in_mm(name: str, definition: str, compute: Callable[[LabelPair], float]) -> Metric:
    return Metric(name, "mm", definition, False, compute, WORST, group="surface", best=0.0)
