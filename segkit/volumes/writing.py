"""Write volumes and masks, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, GeometryError, SegkitError, UsageError, said_by_library
from segkit.foundation.files import atomic_file
from segkit.volumes.formats import Format, formats
from segkit.volumes.reading import format_by_suffix
from segkit.volumes.volume import Volume

LABEL_TYPES = (np.uint8, np.uint16, np.int32)  # the smallest that holds a mask's labels is written


def write(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write a volume in the format that the suffix of `path` names.

    Args:
        volume: voxels and grid.
        path: the file; it appears, or replaces an older one, only when all is written.

    Raises:
        UsageError: when the suffix names no format that segkit writes.
        DataError: when the format cannot hold these voxels; the message says which can.
        GeometryError: when the format cannot hold this grid.
        OSError: when the file cannot be written; the older one stays.
    """
    path = Path(path)
    write_as = writer_for(path)
    with atomic_file(path) as temporary:
        try:
            write_as(volume, temporary)
        except (DataError, GeometryError) as error:
            raise type(error)(f"{path}: {error}") from error
        except (SegkitError, OSError):
            raise
        except Exception as error:
            raise DataError(f"{path}: cannot be written: {said_by_library(error)}") from error


def writer_for(path: str | os.PathLike[str]) -> Callable[[Volume, Path], None]:
    """Return the function that writes the format which the suffix of `path` names.

    Raises:
        UsageError: when the suffix names no format that segkit writes; the message lists those it does.
    """
    name = Path(path).name.lower()
    chosen = format_by_suffix(Path(path))
    if chosen is None or chosen.write is None or not name.endswith(_written_by(chosen)):
        writable = sorted(suffix for known in formats() for suffix in _written_by(known))
        raise UsageError(f"{path}: segkit does not write this format: end the name in {' '.join(writable)}")
    return chosen.write


def _written_by(known: Format) -> tuple[str, ...]:
    return () if known.write is None else known.written or known.suffixes


def write_mask(labels: NDArray[Any], like: Volume, path: str | os.PathLike[str]) -> None:
    """Write a mask on exactly the grid of a scan.

    Args:
        labels: integers, shape (X, Y[, Z]) as `like`'s grid; Fortran order is written fastest.
        like: the scan; a NIfTI mask of a NIfTI scan carries its sform, qform, codes and pixdim bit for bit.
        path: the file to write.

    Raises:
        GeometryError: when the shapes differ, or the format cannot hold the scan's grid.
        DataError: when the labels are not integers, or do not fit into 32 bits.
        UsageError: when the suffix names no format that segkit writes.
        OSError: when the file cannot be written.
    """
    if labels.shape != like.grid.shape:
        raise GeometryError(f"{path}: a mask of {labels.shape} voxels for a scan of {like.grid.shape}")
    if labels.dtype.kind not in "biu":
        raise DataError(f"{path}: labels are integers, not {labels.dtype}")
    lowest, highest = int(labels.min()), int(labels.max())
    fitting = [kind for kind in LABEL_TYPES if np.iinfo(kind).min <= lowest and highest <= np.iinfo(kind).max]
    if not fitting:
        raise DataError(f"{path}: the labels {lowest} to {highest} do not fit into 32 bits")
    write(like.with_array(labels.astype(fitting[0], copy=False)[None]), path)
