"""Where it lies: centre and bounding box.

| column | meaning | PyRadiomics |
|---|---|---|
| centroid_x_mm, _y_, _z_ | mean of the voxel centres in RAS+ mm | diagnostics CenterOfMass, whose x and y are LPS |
| first_i, first_j, first_k | first voxel of the box along each array axis, from 0 | diagnostics BoundingBox |
| last_i, last_j, last_k | last voxel of the box | |
| low_x_mm, low_y_mm, low_z_mm | where the box's voxels begin in RAS+ mm, outer faces included | |
| high_x_mm, high_y_mm, high_z_mm | where they end | |

The k columns are left out in 2D. On an oblique grid the box in mm holds the box in voxels and is larger than it.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from segkit.evaluation.features import Family
from segkit.evaluation.regions import Region
from segkit.evaluation.shapes.moments import centre_of

SPACE, ARRAY = "xyz", "ijk"


def place(region: Region) -> dict[str, float]:
    """Return the table's figures of a region."""
    origin, first = region.grid.affine[:3, 3], np.asarray(region.start)
    last = first + region.mask.shape - 1
    corners = np.array(list(product(*zip(first - 0.5, last + 0.5, strict=True)))) @ region.steps.T + origin
    centroid = region.steps @ (first + centre_of(region.mask)) + origin
    found: dict[str, float] = {}
    for axis, name in enumerate(SPACE):
        found[f"centroid_{name}_mm"] = float(centroid[axis])
        found[f"low_{name}_mm"], found[f"high_{name}_mm"] = float(corners[:, axis].min()), float(corners[:, axis].max())
    for axis, name in zip(range(region.mask.ndim), ARRAY, strict=False):
        found[f"first_{name}"], found[f"last_{name}"] = int(first[axis]), int(last[axis])
    return found


def _columns(dims: int) -> tuple[str, ...]:
    centroid = [f"centroid_{name}_mm" for name in SPACE]
    voxels = [f"{end}_{name}" for end in ("first", "last") for name in ARRAY[:dims]]
    return (*centroid, *voxels, *(f"{end}_{name}_mm" for end in ("low", "high") for name in SPACE))


FAMILY = Family(name="place", columns={dims: _columns(dims) for dims in (2, 3)}, compute=place)
