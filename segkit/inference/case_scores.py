"""A mask with what its networks think of it: probabilities, maps and the Dice to expect, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import Labels
from segkit.config.options import ScoreOptions
from segkit.foundation.errors import UsageError
from segkit.inference.planes import FloatArray
from segkit.inference.scoring import Scores, Together, scores_on_scan
from segkit.inference.scratch import Scratch
from segkit.inference.streaming import Stream, Work
from segkit.inference.uncertainty import ExpectedDice, disagreement, entropy
from segkit.volumes.grid import Grid

ENTROPY, DISAGREEMENT = "entropy", "disagreement"
MAPS = (ENTROPY, DISAGREEMENT)


@dataclass(frozen=True, eq=False)
class CaseScores:
    """What networks think of a mask.

    Attributes:
        expected_dice: by label; None where there is nothing of it.
        labels: whose probabilities the scratch holds, in the order of its channels.
        maps: that it holds behind them.
        scratch: the numbers; None where none were asked for.
    """

    expected_dice: dict[str, float | None]
    labels: tuple[str, ...] = ()
    maps: tuple[str, ...] = ()
    scratch: Scratch | None = None

    def close(self) -> None:
        """Give the disk back on which numbers lie."""
        if self.scratch is not None:
            self.scratch.close()


def check_scores(options: ScoreOptions, networks: int) -> None:
    """Make sure that what is wanted can be had.

    Raises:
        UsageError: when a map is not known, or one network should disagree.
        MissingExtraError: when Zarr is wanted and not installed.
    """
    for name in options.maps:
        if name not in MAPS:
            raise UsageError(f"scores.maps: {name} is no map; there are {' and '.join(MAPS)}")
    if DISAGREEMENT in options.maps and networks == 1:
        raise UsageError(f"scores.maps: {DISAGREEMENT} is between models; pass several, run=[A,B], or scores.passes=8")
    if options.probabilities == "zarr":
        from segkit.inference.score_files import check_zarr

        check_zarr()


def segmented_with_scores(
    streams: Sequence[Stream],
    scan_grid: Grid,
    labels: Labels,
    work: Work,
    together: Together,
    options: ScoreOptions,
    folder: Path,
) -> tuple[NDArray[np.uint8], CaseScores]:
    """Return the class, or the last region, of each voxel of the scan, and what is asked for beside it.

    Args:
        streams: networks and prepared images.
        scan_grid: the scan's 3D grid.
        labels: what the outputs stand for.
        work: how much is worked on at once; planes lie across the last axis where numbers of voxels are wanted.
        together: which streams are of one plan.
        options: what is wanted.
        folder: on whose disk numbers of voxels are kept.
    """
    names = labels.foreground if options.probabilities else ()
    maps = tuple(options.maps)
    shape = (scan_grid.shape[0], scan_grid.shape[1], scan_grid.shape[2])
    scratch = Scratch(folder, len(names) + len(maps), shape) if names or maps else None
    places = np.zeros(scan_grid.shape, np.uint8, order="F")
    expected = ExpectedDice(labels.foreground, is_regions=labels.is_regions)
    for scores in scores_on_scan(streams, scan_grid, labels, work, together):
        here = scores.places
        scores.within(places)[...] = here
        expected.add(scores.mean, here)
        for index, values in enumerate(wanted(scores, len(names), maps)):
            if scratch is not None:
                scratch.write(index, scores.plane, scores.rows, scores.target, values)
    return places, CaseScores(expected.values(), names, maps, scratch)


def wanted(scores: Scores, labels: int, maps: Sequence[str]) -> list[FloatArray]:
    """Return what is kept of some rows of a plane, in the order of channels."""
    probabilities = [scores.mean[..., index] for index in range(scores.mean.shape[-1] - labels, scores.mean.shape[-1])]
    return [*probabilities, *(_map_of(scores, name) for name in maps)]


def _map_of(scores: Scores, name: str) -> FloatArray:
    return disagreement(scores) if name == DISAGREEMENT else entropy(scores.mean, is_regions=scores.is_regions)
