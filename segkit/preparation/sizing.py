"""What a training step sees: the grid, the patch on it and the batch, as configured or as memory allows."""

from __future__ import annotations

from dataclasses import dataclass

from segkit.config.options import PlanOptions
from segkit.foundation.errors import UsageError
from segkit.foundation.memory_size import memory_bytes
from segkit.preparation.patch_size import Patch, Space, configured_patch, patch_of_voxels, patch_that_fits
from segkit.preparation.step_memory import StepMemory
from segkit.preparation.target_spacing import TargetGrid

CPU_VOXELS = {2: 256**2, 3: 48**3}  # of a patch
CPU_BATCH = {2: 8, 3: 2}  # patches a step
LEAST_BATCH = 2
MOST_SEEN = 0.05  # of a data set's voxels in one step: a batch of all of it would be learnt by heart
ENOUGH = 0.25  # of the median scan that a patch of low resolution sees


@dataclass(frozen=True)
class Sized:
    """What was chosen.

    Attributes:
        full: the grid at full resolution.
        grid: the chosen one.
        patch: along the axes that the network sees.
        batch: patches a step.
        most: patches that hold `MOST_SEEN` of the data set's voxels.
        memory: bytes that a training step may take; None on a CPU.
        step_bytes: the estimated peak of one.
        seen_at_full: the part of the median scan that a patch sees at full resolution; above 1 where it is larger.
    """

    full: TargetGrid
    grid: TargetGrid
    patch: Patch
    batch: int
    most: int
    memory: int | None
    step_bytes: int
    seen_at_full: float


class Sizing:
    """The search for a patch.

    Args:
        options: what is decided already.
        steps: estimates training steps.
        levels: the most that the network has.
        halvings: how often it halves every axis, whatever the patch; None: as the patch allows.

    Raises:
        UsageError: when `plan.memory` is no amount of memory.
    """

    def __init__(self, options: PlanOptions, steps: StepMemory, levels: int, halvings: int | None = None) -> None:
        self.options, self.steps, self.levels, self.halvings = options, steps, levels, halvings
        self.memory = memory_bytes(options.memory)

    def choose(self, full: TargetGrid, cases: int) -> Sized:
        """Choose the grid, the patch and the batch for a data set of `cases`.

        Raises:
            UsageError: when the memory is too small for any patch.
        """
        grid, patch = full, self.patch(full)
        at_full = seen = part_seen(patch, full)
        while self.options.resolution == "low" and not self.options.spacing and seen < ENOUGH:
            grid = grid.coarser()
            patch = self.patch(grid)
            seen = part_seen(patch, grid)
        across = 1 if grid.slice_axis is None else grid.sizes[grid.slice_axis]
        most = max(1, round(MOST_SEEN * cases * across / part_seen(patch, grid)))
        batch = self.batch(patch, most)
        return Sized(full, grid, patch, batch, most, self.memory, self.steps.bytes_of(patch, batch), at_full)

    def patch(self, grid: TargetGrid) -> Patch:
        """Return the patch on a grid.

        Raises:
            UsageError: when the memory is too little for any.
        """
        options, axes = self.options, grid.seen
        space = Space(grid.sizes[axes], grid.spacing[axes], self.levels, self.halvings)
        if options.patch:
            return configured_patch([options.patch[axis] for axis in axes], space)
        if self.memory is None:
            return patch_of_voxels(space, options.max_voxels or CPU_VOXELS[options.dims])
        patch = patch_that_fits(space, self.fits)
        if patch is None:
            raise UsageError(
                f"plan.memory={options.memory} is too little to train this network on any patch: pass plan.memory=cpu, "
                "smaller network.features, or a plan.patch"
            )
        return patch

    def fits(self, patch: Patch) -> bool:
        """Say whether a patch keeps to the memory and to `plan.max_voxels`."""
        if self.options.max_voxels and patch.voxels > self.options.max_voxels:
            return False
        batch = self.options.batch or LEAST_BATCH
        return self.memory is None or self.steps.bytes_of(patch, batch) <= self.memory

    def batch(self, patch: Patch, most: int) -> int:
        """Return the patches a step: as many as memory holds, but not more than `most`, and 2 or more.

        A configured patch that does not fit twice is taken once.
        """
        if self.options.batch:
            return self.options.batch
        if self.memory is None:
            return CPU_BATCH[self.options.dims]
        if self.steps.bytes_of(patch, LEAST_BATCH) > self.memory:
            return 1
        batch = LEAST_BATCH
        while batch < most and self.steps.bytes_of(patch, batch + 1) <= self.memory:
            batch += 1
        return batch


def part_seen(patch: Patch, grid: TargetGrid) -> float:
    """Return the voxels of a patch as a part of those of the median scan, or of its slices."""
    return float(patch.voxels / grid.sizes[grid.seen].prod())
