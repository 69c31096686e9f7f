"""Which patch each sample of each step is: counted, so that it depends on nothing but seed, step and index."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from segkit.foundation.counted import generator
from segkit.preparation.cutting import cut, cut_stack
from segkit.preparation.store import PreparedCase

Sample = tuple[int, int]  # optimiser step, global index within the step, over ranks and accumulated batches


class CountedBatches(Sampler[list[Sample]]):
    """Batches of (step, index) from a step on, without end; each rank takes its share of every step's indices.

    Args:
        batch: samples a batch.
        start: the first step, the checkpoint's when a training goes on.
        rank: of this process.
        accumulate: batches a step and rank; together they hold the samples of one batch `accumulate` times as large.
    """

    def __init__(self, batch: int, *, start: int = 0, rank: int = 0, accumulate: int = 1) -> None:
        self.batch, self.start, self.rank, self.accumulate = batch, start, rank, accumulate

    def __iter__(self) -> Iterator[list[Sample]]:
        """Yield the batches of step `start`, `start + 1` ..."""
        for step in count(self.start):
            for part in range(self.accumulate):
                first = (self.rank * self.accumulate + part) * self.batch
                yield [(step, first + index) for index in range(self.batch)]


@dataclass(frozen=True)
class PatchDataset(Dataset[dict[str, Any]]):
    """Patches of prepared cases; workers only draw, index and copy.

    Attributes:
        cases: that train.
        patch: voxels per prepared axis.
        seed: of the draws.
        foreground: share of patches centred on a labelled voxel.
        annotated: by case which of the network's outputs its reference speaks of; empty: all in all.
        neighbours: slices on each side that a 2D network sees beside its own.
    """

    cases: Sequence[PreparedCase]
    patch: tuple[int, ...]
    seed: int
    foreground: float
    annotated: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    neighbours: int = 0

    def index_of(self, sample: Sample) -> int:
        """Return which case a sample is of, without a look at the disk."""
        return self._case(generator(self.seed, *sample))

    def _case(self, draw: np.random.Generator) -> int:
        return int(draw.integers(len(self.cases)))

    def drawn(self, sample: Sample) -> tuple[PreparedCase, NDArray[np.int64]]:
        """Return the case of a sample, and where in its array the patch begins."""
        draw = generator(self.seed, *sample)
        case = self.cases[self._case(draw)]
        return case, patch_start(draw, case, self.patch, self.foreground)

    def __getitem__(self, sample: Sample) -> dict[str, Any]:
        """Return `image` (C, *patch), `reference` (*patch), the sample's `counter` (step, index), and `annotated`.

        With neighbours the axis of one voxel is theirs too in the image: (C, X, Y, slices) for a patch (X, Y, 1).
        """
        case, start = self.drawn(sample)
        partial = {"annotated": self.annotated[case.name]} if self.annotated else {}
        return partial | {
            "image": cut_stack(case.image, start, self.patch, self.neighbours),
            "reference": cut(case.reference[None], start, self.patch)[0],
            "counter": np.array(sample),
        }


def patch_start(
    draw: np.random.Generator, case: PreparedCase, patch: Sequence[int], foreground: float
) -> NDArray[np.int64]:
    """Draw where a patch begins: around a labelled voxel of a class drawn evenly, or anywhere.

    An axis shorter than the patch lies anywhere inside it, so starts may be negative.
    """
    room = np.array(case.reference.shape) - np.array(patch)
    low, high = np.minimum(room, 0), np.maximum(room, 0)
    start: NDArray[np.int64] = draw.integers(low, high, endpoint=True)
    if draw.random() < foreground and (classes := case.positions):  # read from disk each time it is asked for
        positions = classes[int(draw.integers(len(classes)))]
        centre = positions[int(draw.integers(len(positions)))]
        around = np.clip(centre - np.array(patch) // 2, low, high)
        start = np.where(room > 0, around, start)  # along a short axis the patch holds the whole case anyway
    return start
