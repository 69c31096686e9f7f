"""What intensity alone can do: the best Hounsfield window of each organ, and its largest components.

The baseline is given a fair chance. For every label it smooths the scan by one voxel (which removes most of the noise),
tries every window [low, high] in steps of 5 HU, and keeps the one with the highest mean Dice over the training cases.
On a held-out case it keeps as many of the window's largest components as the organ usually has (two for kidneys).
It knows nothing of place or shape; the U-Net beside it has to earn the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[Path, Path]  # an image (file or DICOM folder) and its reference

EDGES = np.arange(-200.0, 405.0, 5.0)  # candidate ends of a window, HU
_NOTABLE = 0.1  # a component of at least this share of the organ counts as one of its parts


@dataclass(frozen=True)
class Window:
    """What stands for an organ: voxels of `low` <= HU < `high`, and of those the `components` largest pieces."""

    low: float
    high: float
    components: int = 1


def threshold_baseline(
    training: Sequence[Pair], held_out: Sequence[Pair], labels: Mapping[str, int]
) -> dict[str, tuple[float, ...]]:
    """Fit one window per label on the training cases and measure it on the others.

    Args:
        training: images and references to fit on.
        held_out: images and references to measure on.
        labels: name to value; the value 0 is the background and left out.

    Returns:
        Dice of every held-out case, in their order, per label; NaN where both masks are empty.

    Raises:
        DataError: when a file cannot be read.
        GeometryError: when an image and its reference lie on different grids.
    """
    organs = {name: value for name, value in labels.items() if value}
    windows = fit_windows(_scans(training), organs)
    scores: dict[str, list[float]] = {name: [] for name in organs}
    for hu, reference in _scans(held_out):
        for name, value in organs.items():
            scores[name].append(dice(segment(hu, windows[name]), reference == value))
    return {name: tuple(values) for name, values in scores.items()}


def fit_windows(
    scans: Iterator[tuple[NDArray[Any], NDArray[Any]]], organs: Mapping[str, int]
) -> dict[str, Window]:
    """Return, per organ, the window of highest mean Dice over `scans`, pairs of HU and label values (X, Y, Z)."""
    dices: dict[str, list[NDArray[np.float64]]] = {name: [] for name in organs}
    parts: dict[str, list[int]] = {name: [] for name in organs}
    for hu, reference in scans:
        smooth = smoothed(hu)
        below = _counts_below(smooth)
        for name, value in organs.items():
            organ = reference == value
            if organ.any():
                dices[name].append(_window_dice(_counts_below(smooth[organ]), below, int(organ.sum())))
                parts[name].append(_notable_parts(organ))
    return {name: _best(dices[name], parts[name]) for name in organs}


def segment(hu: NDArray[Any], window: Window) -> NDArray[np.bool_]:
    """Return the window's largest components in a scan of HU, shape (X, Y, Z)."""
    smooth = smoothed(hu)
    return largest((smooth >= window.low) & (smooth < window.high), window.components)


def smoothed(hu: NDArray[Any]) -> NDArray[np.float32]:
    """Return `hu` under a Gaussian with a standard deviation of one voxel."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(np.asarray(hu, np.float32), 1.0, mode="nearest"))


def largest(mask: NDArray[np.bool_], components: int) -> NDArray[np.bool_]:
    """Return the `components` largest pieces of `mask`, voxels being connected through their faces."""
    from scipy.ndimage import label

    pieces, count = label(mask)
    if count <= components:
        return mask
    sizes = np.bincount(pieces.ravel())[1:]
    kept = 1 + np.argsort(sizes, kind="stable")[::-1][:components]
    return np.isin(pieces, kept)


def dice(mask: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Return twice the overlap over the sum of both sizes, NaN when both are empty."""
    total = int(mask.sum()) + int(reference.sum())
    return 2 * int((mask & reference).sum()) / total if total else float("nan")


def _scans(pairs: Sequence[Pair]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Read pairs one after the other: HU and label values on one grid."""
    from segkit.volumes.reading import read

    for image_path, reference_path in pairs:
        image, reference = read(image_path), read(reference_path)
        image.grid.check_same_as(reference.grid, what=f"{image_path} and {reference_path}")
        yield image.array[0], reference.array[0]


def _counts_below(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many values lie below each of `EDGES`."""
    return np.searchsorted(np.sort(values, axis=None), EDGES)


def _window_dice(inside: NDArray[np.int64], everywhere: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the Dice of each window, shape (lows, highs), 0 where it is empty."""
    hits = inside[None, :] - inside[:, None]
    taken = everywhere[None, :] - everywhere[:, None]
    return np.triu(2 * hits / np.maximum(taken + size, 1), k=1)


def _notable_parts(organ: NDArray[np.bool_]) -> int:
    """Return of how many pieces worth the name an organ consists."""
    from scipy.ndimage import label

    sizes = np.bincount(label(organ)[0].ravel())[1:]
    return int((sizes >= _NOTABLE * sizes.sum()).sum())


def _best(dices: Sequence[NDArray[np.float64]], parts: Sequence[int]) -> Window:
    """Return the window of highest mean Dice; the whole range when no case shows the organ."""
    if not dices:
        return Window(float(EDGES[0]), float(EDGES[-1]))
    low, high = np.unravel_index(np.argmax(np.mean(dices, axis=0)), dices[0].shape)
    return Window(float(EDGES[low]), float(EDGES[high]), int(np.median(parts)))
