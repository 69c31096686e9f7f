"""Probabilities and maps as files, slab by slab: a NIfTI each, or one chunked Zarr."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from segkit.config.labels import UNSAFE
from segkit.foundation.errors import MissingExtraError
from segkit.inference.case_scores import CaseScores
from segkit.inference.scratch import STEPS, Scratch
from segkit.volumes.formats.nifti import write_slabs
from segkit.volumes.grid import as_3d
from segkit.volumes.volume import Volume

PROBABILITIES, ZARR = "probabilities", "zarr"
SLAB = 1 << 24  # voxels that are read again at once, at most
CHUNK = 64  # voxels of a chunk along each axis


def check_zarr() -> None:
    """Make sure, before any work, that Zarr can be written.

    Raises:
        MissingExtraError: when it is not installed.
    """
    if find_spec("zarr") is None:
        raise MissingExtraError("zarr", "zarr", "scores.probabilities=zarr")


def write_scores(scores: CaseScores, scan: Volume, kind: str | None, folder: Path, case: str) -> dict[str, str]:
    """Write what was asked for beside a mask.

    Args:
        scores: of the case.
        scan: whose grid the files take.
        kind: `nifti` or `zarr`, of probabilities.
        folder: into which subfolders go: `probabilities/`, `entropy/`, `disagreement/`.
        case: its name.

    Returns:
        what each file is, and the file, relative to `folder`.
    """
    if scores.scratch is None:
        return {}
    thickness, files = _thickness(scores.scratch), dict[str, str]()
    if kind == ZARR and scores.labels:
        files[PROBABILITIES] = f"{PROBABILITIES}/{case}.zarr"
        _write_zarr(scores.scratch, scores.labels, scan, _made(folder / files[PROBABILITIES]))
    volumes = [
        (f"probability of {name}", f"{PROBABILITIES}/{case}_{UNSAFE.sub('_', name)}.nii.gz") for name in scores.labels
    ] + [(name, f"{name}/{case}.nii.gz") for name in scores.maps]
    for channel, (what, file) in enumerate(volumes):
        if channel >= len(scores.labels) or kind != ZARR:
            files[what] = file
            write_slabs(scan, scores.scratch.slabs(channel, thickness), _made(folder / file), step=1 / STEPS)
    return files


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _thickness(scratch: Scratch) -> int:
    return max(1, min(CHUNK, SLAB // (scratch.shape[0] * scratch.shape[1])))


def _write_zarr(scratch: Scratch, names: Sequence[str], scan: Volume, path: Path) -> None:
    import zarr

    thickness = _thickness(scratch)
    chunks = tuple(min(size, extent) for size, extent in zip(scratch.shape, (CHUNK, CHUNK, thickness), strict=True))
    attributes = {"labels": list(names), "affine_ras_mm": as_3d(scan.grid).affine.tolist()}
    array = zarr.create_array(
        store=str(path),
        shape=(len(names), *scratch.shape),
        chunks=(1, *chunks),
        dtype="float16",
        dimension_names=("label", "x", "y", "z"),
        attributes=attributes,
    )
    for index in range(len(names)):
        for number, slab in enumerate(scratch.slabs(index, thickness)):
            first = number * thickness
            values = (slab.astype(np.float32) / np.float32(STEPS)).astype(np.float16)
            array[index, :, :, first : first + slab.shape[2]] = values
