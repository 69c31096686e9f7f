"""How a case is scanned: the grid, the patient's position and the order of the slices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segkit.datasets.phantom.shapes import Points

BODY = (310.0, 244.0, 168.0)  # mm of the standard body that a scan covers: left-right, front-back, head-feet
_VARIANTS = 6  # the acquisitions of a cohort repeat after this many cases


@dataclass(frozen=True, eq=False)
class Acquisition:
    """One CT scan's geometry in DICOM's patient coordinates (LPS, mm).

    Attributes:
        shape: columns, rows and slices.
        spacing: mm between voxel centres along columns, rows and slices.
        axes: 3x3, the unit LPS direction of each of these three as a column; the third is the slices' normal.
        centre: LPS mm of the grid's centre, which is also the body's.
        habitus: size of this body over the standard body, left-right, front-back and head-feet.
        patient_position: DICOM's code, HFS or FFS.
        descending: whether the instance numbers run against the slices' normal.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    axes: NDArray[np.float64]
    centre: NDArray[np.float64]
    habitus: NDArray[np.float64]
    patient_position: str
    descending: bool

    @property
    def origin(self) -> NDArray[np.float64]:
        """LPS mm of the centre of the first voxel."""
        half = (np.asarray(self.shape) - 1) / 2 * np.asarray(self.spacing)
        return np.asarray(self.centre - self.axes @ half)

    def slice_position(self, index: int) -> NDArray[np.float64]:
        """Return DICOM's Image Position (Patient) of slice `index`, LPS mm."""
        return np.asarray(self.origin + self.axes[:, 2] * (index * self.spacing[2]))

    def body_points(self) -> Points:
        """Return each voxel's place in the standard body, mm from its centre, axes as LPS, shape (3, X, Y, Z)."""
        steps = [(np.arange(size) - (size - 1) / 2) * step for size, step in zip(self.shape, self.spacing, strict=True)]
        matrix = self.axes / self.habitus[:, None]
        lattice = np.stack(np.meshgrid(*steps, indexing="ij"))
        return np.tensordot(matrix, lattice, 1).astype(np.float32)


def draw_acquisition(rng: np.random.Generator, index: int) -> Acquisition:
    """Draw the scan of case `index`.

    Of every six cases two are scanned head first, one has its instances numbered from the head down, one is oblique by
    some degrees, one is scanned feet first (columns run to the patient's right, slices to the feet), one is both.
    """
    variant = index % _VARIANTS
    size = rng.uniform(0.78, 1.0)
    habitus = size * rng.uniform(0.95, 1.05, size=3)
    in_plane = round(float(np.clip(rng.uniform(3.4, 4.4) * size, 2.6, 4.0)), 3)
    between = float(rng.choice([3.0, 3.5, 4.0, 4.5, 5.0], p=[0.1, 0.2, 0.3, 0.2, 0.2]))
    covered = np.asarray(BODY) * habitus * rng.uniform([1.0, 1.0, 0.95], [1.05, 1.05, 1.02])
    spacing = (in_plane, in_plane, between)
    axes = np.diag([-1.0, 1.0, -1.0]) if variant in (4, 5) else np.eye(3)
    if variant in (3, 5):
        axes = _tilt(rng) @ axes
    return Acquisition(
        shape=(int(covered[0] / in_plane), int(covered[1] / in_plane), int(np.clip(covered[2] / between, 32, 42))),
        spacing=spacing,
        axes=axes,
        centre=np.round(rng.uniform([-15, -180, -900], [15, -120, -200]), 1),
        habitus=habitus,
        patient_position="FFS" if variant in (4, 5) else "HFS",
        descending=variant in (2, 5),
    )


def _tilt(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw a rotation of 2 to 6 degrees about an axis that lies nearly in the axial plane."""
    from scipy.spatial.transform import Rotation

    axis = rng.normal(size=3) * (1.0, 1.0, 0.3)
    return np.asarray(Rotation.from_rotvec(axis / np.linalg.norm(axis) * np.radians(rng.uniform(2, 6))).as_matrix())
