"""The shape of a 3D region, by its marching-cubes surface and its principal axes.

| column | PyRadiomics, class shape | IBSI |
|---|---|---|
| mesh_volume_ml | MeshVolume / 1000 | RNU0, volume (mesh) |
| surface_mm2 | SurfaceArea | C0JK, surface area (mesh) |
| surface_to_volume_per_mm | SurfaceVolumeRatio, A / V of the mesh | 2PR5 |
| sphericity | Sphericity, (36 pi V2)^(1/3) / A of the mesh | QCFX |
| maximum_diameter_mm | Maximum3DDiameter, between vertices of the surface | L0JK |
| maximum_diameter_axial_mm | Maximum2DDiameterSlice | |
| maximum_diameter_coronal_mm | Maximum2DDiameterColumn | |
| maximum_diameter_sagittal_mm | Maximum2DDiameterRow | |
| major_axis_mm | MajorAxisLength, 4 standard deviations of the voxel centres | TDIC |
| minor_axis_mm | MinorAxisLength | P9VJ |
| least_axis_mm | LeastAxisLength | 7J51 |
| elongation | Elongation, minor / major | Q3CK |
| flatness | Flatness, least / major | N17B |

PyRadiomics calls an array's axes slice, column and row; here the axial plane is the one across the array axis that runs
nearest to head-foot, and so on, whatever the axes' order. Elongation and flatness of a single voxel are undefined.

Source: Zwanenburg et al. 2020, Radiology 295(2), and the IBSI reference manual; van Griethuysen et al. 2017, Cancer
Research 77(21).
"""

from __future__ import annotations

import math

from segkit.evaluation.features import Family
from segkit.evaluation.regions import Region
from segkit.evaluation.shapes.diameters import diameter_in_planes, maximum_diameter, vertices_of
from segkit.evaluation.shapes.moments import axis_lengths
from segkit.evaluation.shapes.surface import surface_of
from segkit.volumes.grid import Grid

PLANES = ("sagittal", "coronal", "axial")  # across left-right, back-front, foot-head


def shape(region: Region) -> dict[str, float]:
    """Return the table's figures of a region of shape (X, Y, Z)."""
    surface = surface_of(region.mask, region.steps)
    vertices = vertices_of(region.mask)
    major, minor, least = (float(length) for length in axis_lengths(region.mask, region.steps))
    found = {
        "mesh_volume_ml": surface.volume / 1000,
        "surface_mm2": surface.area,
        "surface_to_volume_per_mm": surface.area / surface.volume,
        "sphericity": math.cbrt(36 * math.pi * surface.volume**2) / surface.area,
        "maximum_diameter_mm": maximum_diameter(vertices, region.steps),
        "major_axis_mm": major,
        "minor_axis_mm": minor,
        "least_axis_mm": least,
        "elongation": minor / major if major else math.nan,
        "flatness": least / major if major else math.nan,
    }
    for axis, plane in zip(axes_across(region.grid), PLANES, strict=True):
        found[f"maximum_diameter_{plane}_mm"] = diameter_in_planes(vertices, axis, region.steps)
    return found


def axes_across(grid: Grid) -> tuple[int, ...]:
    """Return the array axes that run nearest to left-right, back-front and foot-head, each axis once."""
    from nibabel.orientations import io_orientation

    nearest = io_orientation(grid.affine)[:, 0]
    return tuple(int((nearest == direction).argmax()) for direction in range(3))


FAMILY = Family(
    name="shape",
    columns={
        3: (
            "mesh_volume_ml",
            "surface_mm2",
            "surface_to_volume_per_mm",
            "sphericity",
            "maximum_diameter_mm",
            *(f"maximum_diameter_{plane}_mm" for plane in reversed(PLANES)),
            "major_axis_mm",
            "minor_axis_mm",
            "least_axis_mm",
            "elongation",
            "flatness",
        )
    },
    compute=shape,
)
