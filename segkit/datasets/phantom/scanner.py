"""What a CT scanner makes of a body: Hounsfield units, partial volumes, noise and streaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segkit.datasets.phantom.shapes import Field

AIR, HIGHEST = -1024.0, 3071.0  # the range of 12-bit CT numbers, HU
_VIEWS = 60  # projections per half turn: enough for correlated noise, few enough for faint streaks
_WATER = 0.019  # attenuation of water per mm at about 70 keV


@dataclass(frozen=True, eq=False)
class Tissue:
    """One thing in the body, painted over what was painted before.

    Attributes:
        field: signed distance in mm, shape (X, Y, Z), negative inside.
        hu: its mean in Hounsfield units.
        mottle: standard deviation in HU of its own texture.
        label: its value in the reference, 0 for what is not segmented.
    """

    field: Field
    hu: float
    mottle: float = 4.0
    label: int = 0


def reference_of(tissues: Sequence[Tissue]) -> NDArray[np.uint8]:
    """Return the label of the topmost tissue at each voxel's centre, shape (X, Y, Z)."""
    labels = np.zeros(tissues[0].field.shape, np.uint8)
    for tissue in tissues:
        labels[tissue.field < 0] = tissue.label
    return labels


def scan(
    tissues: Sequence[Tissue], spacing: Sequence[float], rng: np.random.Generator, *, noise: float
) -> NDArray[np.int16]:
    """Return the CT numbers of a body.

    Args:
        tissues: painted one over the other, fields of shape (X, Y, Z).
        spacing: mm along columns, rows and slices.
        rng: where texture and noise are drawn from.
        noise: standard deviation in HU of the noise near the middle of the body.

    Returns:
        HU, shape (X, Y, Z), within the range of 12-bit CT numbers.
    """
    from scipy.ndimage import gaussian_filter

    sharp = _painted(tissues, spacing, rng)
    # The scanner's point spread: about 1.3 voxels wide in the plane, less across slices.
    blurred = gaussian_filter(sharp, (0.55, 0.55, 0.35), mode="nearest")
    noisy = blurred + _projection_noise(blurred, spacing[0], rng, noise)
    return np.asarray(np.round(np.clip(noisy, AIR, HIGHEST)), np.int16)


def _painted(tissues: Sequence[Tissue], spacing: Sequence[float], rng: np.random.Generator) -> NDArray[np.float32]:
    """Paint tissues over air; a voxel on a surface takes its share of both sides (partial volume)."""
    from scipy.ndimage import gaussian_filter

    shape = tissues[0].field.shape
    texture = gaussian_filter(rng.standard_normal(shape, np.float32), 1.2)
    texture /= texture.std()
    painted = np.full(shape, -1000, np.float32)
    width = float(np.mean(spacing))
    for tissue in tissues:
        share = np.clip(0.5 - tissue.field / width, 0, 1)
        painted += share * (tissue.hu + tissue.mottle * texture - painted)
    return painted


def _projection_noise(
    hu: NDArray[np.float32], pixel: float, rng: np.random.Generator, level: float
) -> NDArray[np.float32]:
    """Return noise as filtered back-projection makes it: correlated, and streaked along the most absorbing rays.

    A projection's variance is that of the logarithm of a Poisson count, exp(path); the tube current follows the body
    and evens out half of the exponent. Slices are independent.

    Source: Kak and Slaney 1988, Principles of Computerized Tomographic Imaging, chapters 3 and 5.2.
    """
    from scipy.fft import irfft, rfft

    columns, rows, slices = hu.shape
    rays = _ray_matrix(columns, rows)
    attenuation = np.maximum(hu / 1000 + 1, 0).reshape(columns * rows, slices) * (_WATER * pixel)
    paths = (rays.T @ attenuation).reshape(_VIEWS, -1, slices)
    counted = rng.standard_normal(paths.shape, np.float32) * np.exp(paths / 4)
    frequency = np.linspace(0, 1, paths.shape[1] // 2 + 1, dtype=np.float32)[:, None]
    ramp = frequency * np.cos(frequency * (math.pi / 2))  # a cosine window tames the ramp, as soft kernels do
    filtered = irfft(rfft(counted, axis=1) * ramp, n=paths.shape[1], axis=1)
    smeared = np.asarray(rays @ filtered.reshape(-1, slices), np.float32).reshape(hu.shape)
    middle = smeared[columns // 3 : -columns // 3, rows // 3 : -rows // 3]
    return np.asarray(smeared * (level / middle.std()), np.float32)


def _ray_matrix(columns: int, rows: int) -> Any:
    """Return the sparse matrix (pixels, views x detector cells) that smears projections over a slice."""
    from scipy.sparse import csr_array

    x, y = np.meshgrid(np.arange(columns) - (columns - 1) / 2, np.arange(rows) - (rows - 1) / 2, indexing="ij")
    angles = np.pi * np.arange(_VIEWS) / _VIEWS
    cells = 2 * int(np.ceil(np.hypot(columns, rows) / 2)) + 4
    place = x.ravel()[:, None] * np.cos(angles) + y.ravel()[:, None] * np.sin(angles) + (cells - 1) / 2
    left = np.floor(place).astype(np.int32)
    weight = (place - left).astype(np.float32)
    first = left + cells * np.arange(_VIEWS, dtype=np.int32)
    indices = np.stack([first, first + 1], axis=-1)
    weights = np.stack([1 - weight, weight], axis=-1)
    starts = np.arange(columns * rows + 1) * (2 * _VIEWS)
    return csr_array((weights.ravel(), indices.ravel(), starts), shape=(columns * rows, _VIEWS * cells))
