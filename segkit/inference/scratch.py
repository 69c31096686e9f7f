"""Numbers on the scan's grid that are more than memory holds, on disk in the order in which they come."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segkit.inference.route import Order

STEPS = 65535  # 0 to 1 in so many steps: finer than float16 is from 1/16 on, and what NIfTI has in two bytes
BYTES = np.dtype(np.uint16).itemsize


class Scratch:
    """Channels of numbers from 0 to 1 on a scan's grid, in a file without a name that is gone with its process.

    Planes lie across the scan's last axis, so that they are read again in the order in which files hold them. What is 0
    throughout takes no disk.

    Args:
        folder: on whose disk the file lies.
        channels: how many.
        shape: of the scan's 3D grid.
    """

    def __init__(self, folder: Path, channels: int, shape: Order) -> None:
        self.channels, self.shape = channels, shape
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by `close`)
        os.truncate(self._file.fileno(), BYTES * channels * int(np.prod(shape)))
        self._rows: dict[int, range] = {}
        self._by_column = False

    def write(self, channel: int, plane: int, rows: range, target: Order, values: NDArray[np.float32]) -> None:
        """Keep some rows of a plane.

        Args:
            channel: which.
            plane: index along the scan's last axis.
            rows: which rows.
            target: axes of the scan across planes, which is the last, along rows and along columns.
            values: 0 to 1, shape (rows, columns).

        Raises:
            OSError: when the disk is full.
        """
        self._rows[rows.start], self._by_column = rows, target[1] == 1
        steps = (values * STEPS + 0.5).astype(np.uint16)
        if steps.any():
            block = np.ascontiguousarray(steps).data
            if os.pwrite(self._file.fileno(), block, self._offset(channel, plane, rows)) < block.nbytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def planes(self, channel: int, first: int, last: int) -> NDArray[np.uint16]:
        """Return planes [first, last) in whole steps, shape (X, Y, planes)."""
        result = np.empty((*self.shape[:2], last - first), np.uint16, order="F")
        for plane in range(first, last):
            seen = result[..., plane - first].T if self._by_column else result[..., plane - first]
            for rows in self._rows.values():
                count = len(rows) * seen.shape[1]
                block = os.pread(self._file.fileno(), BYTES * count, self._offset(channel, plane, rows))
                seen[rows.start : rows.stop] = np.frombuffer(block, np.uint16).reshape(len(rows), seen.shape[1])
        return result

    def slabs(self, channel: int, thickness: int) -> Iterator[NDArray[np.uint16]]:
        """Yield all planes, so many at a time."""
        for first in range(0, self.shape[2], thickness):
            yield self.planes(channel, first, min(first + thickness, self.shape[2]))

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()

    def _offset(self, channel: int, plane: int, rows: range) -> int:
        columns = self.shape[0] if self._by_column else self.shape[1]
        before = rows.start * columns * self.shape[2] * self.channels
        return BYTES * (before + (plane * self.channels + channel) * len(rows) * columns)
