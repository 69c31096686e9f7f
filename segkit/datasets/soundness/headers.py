"""The quick part: which files are there, whether their headers can be read, and whether their grids agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from segkit.config.channels import Channel
from segkit.datasets.case import Case
from segkit.datasets.soundness.findings import ERROR, Finding, found
from segkit.foundation.errors import SegkitError
from segkit.volumes.grid import APART, Grid, as_3d
from segkit.volumes.reading import read_grid
from segkit.volumes.selection import Location

Read = TypeVar("Read")


def examine_headers(case: Case, channels: Mapping[str, Channel]) -> list[Finding]:
    """Look at a case without reading a voxel.

    Args:
        case: of the data set.
        channels: that it must have.

    Returns:
        what makes it unusable: missing files, headers that cannot be read, grids that disagree.
    """
    findings = list(missing_files(case, channels))
    read = read_by(read_grid, case, findings)
    grids = {role: read[path] for role, path in files_of(case).items() if path in read}
    return [*findings, *disagreements(case, grids, channels, APART)]


def read_by(reader: Callable[[Location], Read], case: Case, findings: list[Finding]) -> dict[Location, Read]:
    """Read every file of a case that is there, each once; one that cannot be read becomes a finding."""
    found: dict[Location, Read] = {}
    for path in dict.fromkeys(files_of(case).values()):
        if path.exists():
            try:
                found[path] = reader(path)
            except SegkitError as error:
                findings.append(unreadable(case.name, path, error))
    return found


def unreadable(case: str, path: Location, error: SegkitError) -> Finding:
    """Return the finding that a file cannot be read."""
    reason = str(error).removeprefix(str(path)).lstrip(": ")
    return found(case, ERROR, "unreadable", f"cannot be read: {reason}", path)


def files_of(case: Case) -> dict[str, Location]:
    """Return the files of a case by role: each channel's, then the reference's under ""."""
    return {**case.images, **({"": case.reference} if case.reference else {})}


def missing_files(case: Case, channels: Mapping[str, Channel]) -> Iterator[Finding]:
    """Yield a finding for each file that should be there and is not."""
    absent = [name for name in channels if name not in case.images or not case.images[name].exists()]
    for path in dict.fromkeys(case.images.get(name) for name in absent):
        names = ", ".join(name for name in absent if case.images.get(name) == path)
        yield found(case.name, ERROR, "missing-image", f"there is no image of {names}", path or "")
    if case.reference is not None and not case.reference.exists():
        yield found(case.name, ERROR, "missing-reference", "there is no reference", case.reference)


def disagreements(
    case: Case, grids: Mapping[str, Grid], channels: Mapping[str, Channel], tolerance: float
) -> Iterator[Finding]:
    """Yield a finding for each grid that is not the first channel's.

    Args:
        case: of the data set.
        grids: of the files that could be read, by role.
        channels: those with `onto` may lie on any grid that meets the one they are resampled onto.
        tolerance: in voxels.
    """
    first = next((name for name in channels if name in grids and not channels[name].onto), None)
    seen = {case.images[first]} if first else set()
    for role, grid in grids.items():
        path, target = files_of(case)[role], channels[role].onto if role in channels else None
        if target and target in grids and not overlap(grid, grids[target]):
            message = f"{role} and {target}, onto which it is resampled, have no place in common"
            yield found(case.name, ERROR, "affine-mismatch", message, path)
        elif first and not target and path not in seen:
            what = f"{role or 'the reference'} and {first}"
            yield from disagreement(case.name, grids[first], grid, what, path, tolerance)
        seen.add(path)


def overlap(grid: Grid, other: Grid) -> bool:
    """Say whether two grids can meet: False where one lies wholly beyond a face of the other."""
    for one, two in ((as_3d(grid), as_3d(other)), (as_3d(other), as_3d(grid))):
        corners = np.array(np.meshgrid(*[(-0.5, size - 0.5) for size in one.shape], [1.0], indexing="ij"))
        places = (one.index_to(two) @ corners.reshape(4, -1))[:3]
        ends = np.array(two.shape) - 0.5
        if (places.max(axis=1) <= -0.5).any() or (places.min(axis=1) >= ends).any():
            return False
    return True


def disagreement(case: str, wanted: Grid, grid: Grid, what: str, path: Location, tolerance: float) -> Iterator[Finding]:
    """Yield what one grid has against another: shape, else spacing, else affine."""
    wanted, grid = as_3d(wanted), as_3d(grid)
    if grid.shape != wanted.shape:
        message = f"{what} have {_by(grid.shape)} and {_by(wanted.shape)} voxels"
        yield found(case, ERROR, "shape-mismatch", message, path)
        return
    limit = tolerance * min(wanted.spacing)
    stretch = np.abs(np.subtract(grid.spacing, wanted.spacing)) * np.maximum(np.subtract(grid.shape, 1), 1)
    distance = grid.displacement_from(wanted)
    if distance <= limit:
        return
    if stretch.max() > limit:
        message = f"{what} have voxels of {_by(grid.spacing)} and {_by(wanted.spacing)} mm"
        yield found(case, ERROR, "spacing-mismatch", message, path)
        return
    message = f"{what} lie up to {distance:.3g} mm apart ({limit:.2g} mm are allowed)"
    yield found(case, ERROR, "affine-mismatch", message, path)


def _by(numbers: tuple[float, ...]) -> str:
    return " x ".join(f"{number:.4g}" for number in numbers)
