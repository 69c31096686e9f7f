"""Planes of pixels on grids: where a frame falls on a grid, and which grid a stack of frames makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import GeometryError
from segkit.volumes.dicom.datasets import tag_of
from segkit.volumes.dicom.segment_frames import SegmentFrames
from segkit.volumes.grid import Grid

OFF_GRID = 0.1  # voxels: readers accept slices that lie 0.05 mm off, and thin ones are half a millimetre apart
SAME_PLANE = 1e-3  # of the pixel spacing


@dataclass(frozen=True)
class Placement:
    """Where a frame falls on a grid.

    Attributes:
        axes: the grid's axes that a row and a column of the frame run along, then the one across.
        signs: 1, or -1 where a row or a column runs against its axis.
        start: index along the three `axes` of that corner of the frame which comes first on the grid.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int]
    start: tuple[int, int, int]

    def overlap(self, canvas: NDArray[Any], pixels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return what a canvas and a frame have in common, as views.

        Args:
            canvas: shape of the grid, 3D.
            pixels: the frame, shape (columns, rows).

        Returns:
            A part of the canvas, to be written to, and the pixels that belong there; both of one shape, maybe empty.
        """
        turned = canvas.transpose(self.axes)
        upright = pixels[:: self.signs[0], :: self.signs[1]]
        if not self.touches(turned.shape, upright.shape):
            return turned[:0, :0, 0], upright[:0, :0]
        first = [max(0, start) for start in self.start[:2]]
        last = [start + size for start, size in zip(self.start, upright.shape, strict=False)]
        onto = turned[first[0] : last[0], first[1] : last[1], self.start[2]]
        skipped = [a - start for a, start in zip(first, self.start, strict=False)]
        return onto, upright[skipped[0] : skipped[0] + onto.shape[0], skipped[1] : skipped[1] + onto.shape[1]]

    def is_on(self, grid: Grid, size: tuple[int, int]) -> bool:
        """Tell whether any pixel of a frame of `size` (columns, rows) lies inside a 3D grid."""
        return self.touches([grid.shape[axis] for axis in self.axes], size)

    def touches(self, room: Sequence[int], size: Sequence[int]) -> bool:
        """Tell the same of a grid's sizes along `axes`."""
        reach = (*size, 1)
        return all(-reach[i] < self.start[i] < room[i] for i in range(3))


def place_on(affine: NDArray[np.float64], size: tuple[int, int], grid: Grid) -> Placement | None:
    """Find where a frame falls on a grid.

    Args:
        affine: 4x4, pixel (column, row, 0, 1) to RAS+ mm.
        size: columns and rows of the frame.
        grid: 3D.

    Returns:
        The place, inside the grid or not; None where the pixels do not fall on voxel centres of one slice.
    """
    to_index = np.linalg.solve(grid.affine, affine)[:3]
    steps, corner = np.rint(to_index[:, :2]), np.rint(to_index[:, 3])
    corners = np.array([(x, y) for x in (0, size[0] - 1) for y in (0, size[1] - 1)]).T
    exact = to_index[:, :2] @ corners + to_index[:, 3:]
    whole = steps @ corners + corner[:, None]
    # A frame of one pixel in a row has no second corner to show that its rows run along the grid.
    direction_off = np.abs(to_index[:, :2] - steps).max()
    if np.abs(exact - whole).max() > OFF_GRID or direction_off > OFF_GRID:
        return None
    if (np.abs(steps).sum(axis=0) != 1).any() or np.abs(steps).sum(axis=1).max() > 1:
        return None
    along, down = (int(axis) for axis in np.abs(steps).argmax(axis=0))
    axes = along, down, 3 - along - down
    signs = int(steps[along, 0]), int(steps[down, 1])
    first = whole.min(axis=1)
    return Placement(axes, signs, (int(first[axes[0]]), int(first[axes[1]]), int(first[axes[2]])))


def grid_of(frames: SegmentFrames) -> Grid:
    """Return the grid that an object's frames make up: slices sorted along their normal, missing ones counted.

    Returns:
        (columns, rows, slices); (columns, rows) of tiles and of pictures without a place.

    Raises:
        GeometryError: when they are not parallel planes, one grid step or several apart.
    """
    if frames.matrix is not None:
        return frames.matrix
    first = frames.listed[0].affine
    if not frames.has_place:
        check_one_picture(frames)
        return Grid(frames.size, first)
    within = np.array([np.linalg.solve(first, frame.affine) for frame in frames.listed])
    if (np.abs(within[:, :3, :2] - np.eye(3)[:, :2]) * max(frames.size) > OFF_GRID).any():
        what = f"{tag_of('ImageOrientationPatient')} or {tag_of('PixelSpacing')}"
        raise GeometryError(f"{frames.file}: its frames differ in {what}, so they make no volume; read its series")
    # Columns, rows and mm along the normal from the first frame, in this order.
    offsets = within[:, :3, 3]
    count, start, step = _stack(offsets, frames)
    affine = first.copy()
    affine[:3, 2] = first[:3, :3] @ step
    affine[:3, 3] += first[:3, :3] @ start
    return Grid((*frames.size, count), affine)


def check_one_picture(frames: SegmentFrames) -> None:
    """Make sure that frames without a place belong to one picture.

    Raises:
        GeometryError: when they belong to several.
    """
    sources = {frame.source for frame in frames.listed}
    if len(sources) > 1:
        raise GeometryError(
            f"{frames.file}: its frames belong to {len(sources)} images and have no "
            f"{tag_of('ImagePositionPatient')}, so they make no volume"
        )


def _stack(offsets: NDArray[np.float64], frames: SegmentFrames) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Return number of slices, place of the first and the step from one to the next, in units of `offsets`.

    Raises:
        GeometryError: when no step fits every frame.
    """
    offsets = offsets[np.argsort(offsets[:, 2], kind="stable")]
    pixel = float(np.linalg.norm(frames.listed[0].affine[:3, :2], axis=0).min())
    gaps = np.diff(offsets[:, 2], prepend=offsets[0, 2])
    gaps[gaps < SAME_PLANE * pixel] = 0
    for guess in _guesses(gaps, frames):
        index = np.cumsum(np.rint(gaps / guess))
        last = int(index[-1])
        step = (offsets[-1] - offsets[0]) / last if last else np.array([0, 0, guess])
        off = np.abs(offsets - offsets[0] - index[:, None] * step)
        if (off <= OFF_GRID * np.array([1, 1, step[2]])).all():
            return last + 1, offsets[0], step
    raise GeometryError(
        f"{frames.file}: its frames are unevenly spaced ({tag_of('ImagePositionPatient')}), so they make no volume; "
        "read its series"
    )


def _guesses(gaps: NDArray[np.float64], frames: SegmentFrames) -> list[float]:
    """Return distances in mm between slices, the likeliest first."""
    # SpacingBetweenSlices knows of planes that nothing was drawn on; the smallest gap serves where it is wrong.
    smallest = float(gaps[gaps > 0].min()) if gaps.any() else None
    guesses = (frames.between_slices, smallest, frames.thickness)
    return [guess for guess in guesses if guess] or [1.0]
