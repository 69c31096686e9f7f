"""The shape of a region in a 2D picture, by its marching-squares outline and its principal axes.

| column | PyRadiomics, class shape2D |
|---|---|
| mesh_area_mm2 | MeshSurface |
| perimeter_mm | Perimeter |
| perimeter_to_area_per_mm | PerimeterSurfaceRatio |
| circularity | Sphericity, 2 sqrt(pi A) / P of the mesh |
| maximum_diameter_mm | MaximumDiameter, between vertices of the outline |
| major_axis_mm | MajorAxisLength, 4 standard deviations of the pixel centres |
| minor_axis_mm | MinorAxisLength |
| elongation | Elongation, minor / major; undefined for a single pixel |

Source: van Griethuysen et al. 2017, Cancer Research 77(21), and the documentation of PyRadiomics' class shape2D.
"""

from __future__ import annotations

import math

from segkit.evaluation.features import Family
from segkit.evaluation.regions import Region
from segkit.evaluation.shapes.diameters import maximum_diameter, vertices_of
from segkit.evaluation.shapes.moments import axis_lengths
from segkit.evaluation.shapes.outline import outline_of


def shape_2d(region: Region) -> dict[str, float]:
    """Return the table's figures of a region of shape (X, Y)."""
    outline = outline_of(region.mask, region.steps)
    major, minor = (float(length) for length in axis_lengths(region.mask, region.steps))
    return {
        "mesh_area_mm2": outline.area,
        "perimeter_mm": outline.length,
        "perimeter_to_area_per_mm": outline.length / outline.area,
        "circularity": 2 * math.sqrt(math.pi * outline.area) / outline.length,
        "maximum_diameter_mm": maximum_diameter(vertices_of(region.mask), region.steps),
        "major_axis_mm": major,
        "minor_axis_mm": minor,
        "elongation": minor / major if major else math.nan,
    }


FAMILY = Family(
    name="shape_2d",
    columns={
        2: (
            "mesh_area_mm2",
            "perimeter_mm",
            "perimeter_to_area_per_mm",
            "circularity",
            "maximum_diameter_mm",
            "major_axis_mm",
            "minor_axis_mm",
            "elongation",
        )
    },
    compute=shape_2d,
)
