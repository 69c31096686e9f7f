"""Volumes as a page carries them: NIfTI whose header holds a grid alone, coarser where a file would grow too large."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segkit.reports.looking import Seen

MOST_VOXELS = 12_000_000  # carried at most; more fill a phone's graphics memory
RGB24 = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
LEVEL = 2  # of compression


Steps = tuple[int, int, int]


@dataclass(frozen=True)
class Carried:
    """The volumes of one case, each a compressed NIfTI in base64.

    Attributes:
        parts: `image`, and `reference` and `mask` where they are.
        every: 1, or of how many voxels one is carried, along each axis.
    """

    parts: dict[str, str]
    every: Steps

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return sum(map(len, self.parts.values()))


def carry(seen: Seen, *, is_ct: bool, most: int) -> Carried:
    """Pack the volumes of a case.

    Args:
        seen: the case.
        is_ct: whether intensities stay whole numbers (HU); others become 256 steps between their percentiles.
        most: bytes that they may take; more, and only every second (third ...) voxel is carried.
    """
    every: Steps = (1, 1, 1)
    while carried_voxels(seen, every) > MOST_VOXELS:
        every = coarser(seen, every)
    while True:
        parts = parts_of(seen, is_ct=is_ct, every=every)
        carried = Carried({name: encoded(content) for name, content in parts.items()}, every)
        if carried.size <= most or carried_voxels(seen, every) == 1:
            return carried
        every = coarser(seen, every)


def carried_voxels(seen: Seen, every: Steps) -> int:
    """Return how many voxels are carried."""
    return prod(-(-size // step) for size, step in zip(seen.image.shape[1:], every, strict=True))


def coarser(seen: Seen, every: Steps) -> Steps:
    """Return steps that are one longer where voxels are finest, so that those carried come nearer to cubes."""
    steps = [
        step * space if -(-size // step) > 1 else math.inf
        for size, step, space in zip(seen.image.shape[1:], every, seen.spacing, strict=True)
    ]
    finest = [step <= 1.3 * min(steps) for step in steps]  # axes that are about as fine change together
    x, y, z = (step + grows for step, grows in zip(every, finest, strict=True))
    return x, y, z


def parts_of(seen: Seen, *, is_ct: bool, every: Steps = (1, 1, 1)) -> dict[str, bytes]:
    """Return image, reference and mask, of every so many voxels along each axis one, as NIfTI files."""
    affine = seen.affine @ np.diag([*every, 1.0])
    cut = tuple(slice(None, None, step) for step in every)
    parts = {"image": nifti(*intensities(upward(seen, seen.image[:, *cut]), is_ct=is_ct), affine)}
    for name, places in (("reference", seen.reference), ("mask", seen.mask)):
        if places is not None:
            parts[name] = nifti(upward(seen, places[cut]), 1.0, 0.0, affine)
    return parts


def upward(seen: Seen, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array whose second spatial axis runs up, as the viewer has it; in a picture it runs down."""
    return array[..., ::-1, :] if seen.is_picture else array


def intensities(image: NDArray[Any], *, is_ct: bool) -> tuple[NDArray[Any], float, float]:
    """Return an image (C, X, Y, Z) in few bits, with the slope and intercept that lead back to its own units."""
    if len(image) == 3:
        colours = np.zeros(image.shape[1:], RGB24)
        for name, channel in zip("RGB", image, strict=True):
            colours[name] = np.clip(channel, 0, 255)
        return colours, 1.0, 0.0
    grey = image[0]
    low, high = (float(level) for level in (grey.min(), grey.max()))
    if grey.dtype == np.uint8:
        return grey, 1.0, 0.0
    if is_ct and np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max:
        return np.rint(grey).astype(np.int16), 1.0, 0.0
    slope = (high - low) / 255 or 1.0
    return np.rint((grey.astype(np.float64) - low) / slope).astype(np.uint8), slope, low


def nifti(array: NDArray[Any], slope: float, intercept: float, affine: NDArray[np.float64]) -> bytes:
    """Return a NIfTI-1 file whose header holds a grid, a scale of intensities and nothing else."""
    header = nib.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_sform(affine, code=2)
    header.set_qform(affine, code=2, strip_shears=True)
    header.set_slope_inter(slope, intercept)
    header.set_xyzt_units("mm")
    header["magic"], header["vox_offset"] = b"n+1", 352
    return bytes(header.binaryblock) + bytes(4) + array.tobytes(order="F")


def encoded(content: bytes) -> str:
    """Compress and write as base64."""
    squeezer = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)  # 16: with gzip's header
    return base64.b64encode(squeezer.compress(content) + squeezer.flush()).decode("ascii")


def windows(family: str, levels: Sequence[float], *, is_colour: bool) -> list[tuple[str, float, float]]:
    """Return what an image may be windowed to: a name with the intensities shown as black and white.

    Args:
        family: of the channel.
        levels: of the image, as `looking.levels` gives them.
        is_colour: whether the image has colours, which have no window.
    """
    half, one, _, most, nearly, all_of_it = levels
    if is_colour:
        return []
    fixed = {
        "ct": [
            ("soft tissue", -160.0, 240.0),
            ("liver", -15.0, 165.0),
            ("lung", -1350.0, 150.0),
            ("bone", -500.0, 1300.0),
            ("brain", 0.0, 80.0),
        ],
        "pet": [("to the 99.5th percentile", 0.0, nearly), ("to half of it", 0.0, nearly / 2)],
    }
    general = [("1st to 99th percentile", one, most), ("bright parts", levels[2], all_of_it), ("all", half, all_of_it)]
    kept = [window for window in (*fixed.get(family, ()), *general) if window[2] > window[1]]
    return kept or [("all", half, half + 1)]
