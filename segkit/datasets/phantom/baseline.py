"""What intensity alone can do: the best Hounsfield window of each organ, and its largest components.

The baseline is given a fair chance. For every label it tries all windows in steps of 5 HU and keeps the one whose
voxels have the highest mean Dice over the training cases; of the window's voxels it takes the largest connected
components, as many as the organ usually has (two for kidneys). It does so on the scan as it is and on the scan smoothed
by one voxel, and keeps what gave the better training masks. It knows nothing of place or shape beyond that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pair = tuple[Path, Path]  # an image (file or DICOM folder) and its reference
Scan = tuple[NDArray[Any], NDArray[Any]]  # HU and label values, both of shape (X, Y, Z)

EDGES = np.arange(-200.0, 405.0, 5.0)  # candidate ends of a window, HU
_SMOOTHINGS = (0.0, 1.0)  # voxels
_NOTABLE = 0.1  # a component of at least this share of the organ counts as one of its parts


@dataclass(frozen=True)
class Window:
    """What stands for an organ: voxels of `low` <= HU < `high`, and of those the `components` largest pieces.

    Attributes:
        low: HU, included.
        high: HU, not included.
        components: how many pieces are kept.
        smoothing: standard deviation in voxels of the Gaussian under which the scan is seen; 0 for none.
    """

    low: float
    high: float
    components: int = 1
    smoothing: float = 0.0


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
    windows = fit_windows(list(_scans(training)), organs)
    scores: dict[str, list[float]] = {name: [] for name in organs}
    for hu, reference in _scans(held_out):
        for name, value in organs.items():
            scores[name].append(dice(segment(hu, windows[name]), reference == value))
    return {name: tuple(values) for name, values in scores.items()}


def fit_windows(scans: Sequence[Scan], organs: Mapping[str, int]) -> dict[str, Window]:
    """Return the window of each organ that makes the best masks of `scans`; without smoothing where it is as good."""
    candidates = [_windows_under(scans, organs, smoothing) for smoothing in _SMOOTHINGS]
    return {name: max((fitted[name] for fitted in candidates), key=lambda fit: fit[0])[1] for name in organs}


def segment(hu: NDArray[Any], window: Window) -> NDArray[np.bool_]:
    """Return the window's largest components in a scan of HU, shape (X, Y, Z)."""
    return _pieces_within(_smoothed(hu, window.smoothing), window)


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


def _windows_under(
    scans: Sequence[Scan], organs: Mapping[str, int], smoothing: float
) -> dict[str, tuple[float, Window]]:
    """Return, per organ, the best window under one smoothing and the mean Dice of its masks."""
    seen = [(_smoothed(hu, smoothing), reference) for hu, reference in scans]
    below = [_counts_below(hu) for hu, _ in seen]
    fitted = {}
    for name, value in organs.items():
        cases = [(hu, reference == value, counts) for (hu, reference), counts in zip(seen, below, strict=True)]
        cases = [case for case in cases if case[1].any()]
        dices = [_window_dice(_counts_below(hu[organ]), counts, int(organ.sum())) for hu, organ, counts in cases]
        parts = [_notable_parts(organ) for _, organ, _ in cases]
        window = _best(dices, parts, smoothing)
        scores = [dice(_pieces_within(hu, window), organ) for hu, organ, _ in cases]
        fitted[name] = (float(np.mean(scores)) if scores else 0.0, window)
    return fitted


def _best(dices: Sequence[NDArray[np.float64]], parts: Sequence[int], smoothing: float) -> Window:
    """Return the window of highest mean Dice; the whole range when no case shows the organ."""
    if not dices:
        return Window(float(EDGES[0]), float(EDGES[-1]))
    low, high = np.unravel_index(np.argmax(np.mean(dices, axis=0)), dices[0].shape)
    return Window(float(EDGES[low]), float(EDGES[high]), max(1, int(np.median(parts))), smoothing)


def _window_dice(inside: NDArray[np.int64], everywhere: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return the Dice of each window, shape (lows, highs), 0 where it is empty."""
    hits = inside[None, :] - inside[:, None]
    taken = everywhere[None, :] - everywhere[:, None]
    return np.triu(2 * hits / np.maximum(taken + size, 1), k=1)


def _counts_below(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many values lie below each of `EDGES`."""
    return np.searchsorted(np.sort(values, axis=None), EDGES)


def _notable_parts(organ: NDArray[np.bool_]) -> int:
    """Return of how many pieces worth the name an organ consists."""
    from scipy.ndimage import label

    sizes = np.bincount(label(organ)[0].ravel())[1:]
    return int((sizes >= _NOTABLE * sizes.sum()).sum())


def _pieces_within(seen: NDArray[Any], window: Window) -> NDArray[np.bool_]:
    """Return the window's largest pieces in a scan that is smoothed already."""
    return largest((seen >= window.low) & (seen < window.high), window.components)


def _smoothed(hu: NDArray[Any], deviation: float) -> NDArray[np.float32]:
    """Return `hu` under a Gaussian of `deviation` voxels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(np.asarray(hu, np.float32), deviation, mode="nearest"))


def _scans(pairs: Sequence[Pair]) -> Iterator[Scan]:
    """Read pairs one after the other, each on one grid."""
    from segkit.volumes.reading import read

    for image_path, reference_path in pairs:
        image, reference = read(image_path), read(reference_path)
        image.grid.check_same_as(reference.grid, what=f"{image_path} and {reference_path}")
        yield image.array[0], reference.array[0]
