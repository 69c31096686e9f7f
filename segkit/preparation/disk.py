"""The disk and the memory that preparing takes, known before it begins."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.foundation.memory_size import size_text
from segkit.preparation.positions import position_limit

HALF = 2  # bytes of a float16
INDEX = 6  # bytes of a position: three int16
RECORDS = 1500  # bytes of a case's record, stamp and array headers


def disk_needed(shape: Sequence[int], *, channels: int, classes: int) -> int:
    """Estimate the disk that one prepared case takes.

    Image and reference are known to the byte. Of positions it takes half of what they may be at most, which is a
    small part of the whole: how many voxels each class has is known only afterwards.

    Args:
        shape: voxels of the prepared grid.
        channels: array channels.
        classes: stored classes, the background included; 0 without a reference.

    Returns:
        Bytes; image values beyond the range of float16, which are kept as float32, would take twice as much.
    """
    voxels = math.prod(shape)
    needed = HALF * channels * voxels + RECORDS
    if classes:
        most = min((classes - 1) * position_limit(voxels, classes), voxels)
        needed += voxels + most * INDEX // 2
    return needed


def memory_needed(scan_shape: Sequence[int], shape: Sequence[int], *, channels: int, sheared: bool = False) -> int:
    """Bound the memory in which one case is prepared, beside what the process has anyway.

    Args:
        scan_shape: voxels of the scan's grid.
        shape: voxels of the prepared grid.
        channels: array channels.
        sheared: whether the scan's grid is.

    Returns:
        Bytes: all channels as read, at 8 a voxel (float64 from one file, or float32 while files are put together); one
        channel as float32, normalised and twice on its way through the axes; all channels as float16. A sheared scan
        has its spline as float64 and its corners weighed beside that.
    """
    before, after = math.prod(scan_shape), math.prod(shape)
    needed = 8 * before * channels + 4 * before + 8 * max(before, after) + HALF * channels * after
    return needed + (16 * before + 12 * after if sheared else 0)


def check_disk(needed: Sequence[int], total: int, store: Path) -> None:
    """Say what disk the cases that are not prepared yet need, and refuse to begin where it is not there.

    Args:
        needed: bytes of each of them.
        total: how many cases there are, with those that are prepared.
        store: `paths.cache`.

    Raises:
        DataError: when the disk has less free.
    """
    free = shutil.disk_usage(store).free
    what = f"preparing {len(needed)} of {total} cases needs about {size_text(sum(needed))} of disk"
    if sum(needed) > free:
        raise DataError(
            f"{what}, and {store} has {size_text(free)} free: make room (segkit cache clean removes prepared cases), "
            "or set paths.cache to a folder on another disk"
        )
    say(f"{what} in {store}, which has {size_text(free)} free")
