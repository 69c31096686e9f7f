"""How much there is: voxels, connected components, volume.

| column | meaning | PyRadiomics | IBSI |
|---|---|---|---|
| voxels | count | diagnostics VoxelNum | |
| components | connected components, 26 neighbours (8 in 2D) | diagnostics VolumeNum | |
| volume_ml (3D) | voxels times the volume of one | shape VoxelVolume / 1000 | YEKZ, volume (voxel counting) |
| area_mm2 (2D) | pixels times the area of one | shape2D PixelSurface | |

Source: Zwanenburg et al. 2020, Radiology 295(2), and the IBSI reference manual; van Griethuysen et al. 2017, Cancer
Research 77(21).
"""

from __future__ import annotations

import numpy as np

from segkit.evaluation.features import Family
from segkit.evaluation.regions import Region

VOLUME, AREA = "volume_ml", "area_mm2"


def extent(region: Region) -> dict[str, float]:
    """Return the table's figures of a region."""
    found: dict[str, float] = {"voxels": region.voxels, "components": region.components[1]}
    if region.mask.ndim == 3:
        found[VOLUME] = region.voxels * region.voxel_mm3 / 1000
    else:
        along, across = region.steps.T
        found[AREA] = region.voxels * float(np.linalg.norm(np.cross(along, across)))
    return found


FAMILY = Family(
    name="extent",
    columns={2: ("voxels", "components", AREA), 3: ("voxels", "components", VOLUME)},
    compute=extent,
    empty={"voxels": 0, "components": 0, VOLUME: 0.0, AREA: 0.0},
)
