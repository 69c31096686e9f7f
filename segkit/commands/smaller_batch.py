"""A training whose memory runs out: once more with smaller batches, as many samples a step, said and recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from segkit.commands.preparing import Study
from segkit.commands.records import recorded_decisions
from segkit.config.commands import TrainConfig
from segkit.config.labels import labels_from
from segkit.config.plan import Plan
from segkit.foundation.console import warn
from segkit.foundation.errors import DataError, SegkitError, UsageError
from segkit.foundation.exhaustion import is_out_of_memory
from segkit.foundation.files import write_json
from segkit.foundation.memory_size import size_text
from segkit.foundation.strangers import load_json
from segkit.inference.segmenting import let_go, memory_there
from segkit.networks.activations import footprint
from segkit.networks.building import build_network, network_arguments
from segkit.networks.precision import choose_device, uses_bf16
from segkit.runs.folder import RunFolder


@dataclass(frozen=True)
class StepBatches:
    """How the samples of an optimiser step come.

    Attributes:
        batch: samples at once.
        accumulate: so many times, one after another.
    """

    batch: int
    accumulate: int

    def smaller(self, members: int) -> StepBatches | None:
        """Return the same samples in the largest smaller batches that share them evenly; None where there are none.

        Args:
            members: networks among which each batch is shared alike.
        """
        sizes = range(self.batch // 2, 0, -1)
        batch = next((size for size in sizes if self.batch % size == 0 and size % members == 0), None)
        return None if batch is None else StepBatches(batch, self.accumulate * self.batch // batch)


def once_more_if_memory_runs_out(train: Callable[[], None], config: TrainConfig, folder: RunFolder) -> None:
    """Train; where memory runs out, once more from the last checkpoint with smaller batches, as a resumed run would.

    Raises:
        SegkitError: when that fails too, or cannot be; with the numbers. The checkpoint is as it was.
    """
    if _is_enough(train):
        return
    let_go()
    decided = recorded_decisions(folder, config)
    if decided is None:  # not yet in training
        raise SegkitError(f"memory ran out: {memory_now(config)}; end other programs, or lower workers")
    before = batches_of(folder, decided.plan, config)
    smaller = before.smaller(decided.plan.members) if config.training.devices in (None, 1) else None
    if smaller is None:
        raise SegkitError(needed_and_there(config, decided.plan, before))
    write_json(folder.smaller_batch, asdict(smaller))
    warn(
        f"memory ran out with batches of {before.batch}: once more from the last checkpoint with batches of "
        f"{smaller.batch}, {smaller.accumulate} a step, which hold the same samples ({folder.smaller_batch.name}); "
        f"plan.batch={smaller.batch // decided.plan.members} training.accumulate={smaller.accumulate} says so from the "
        "start"
    )
    if not _is_enough(train):
        let_go()
        raise SegkitError(needed_and_there(config, decided.plan, smaller))


def _is_enough(train: Callable[[], None]) -> bool:
    """Train, and return whether memory sufficed; with this frame goes all that a failed attempt held."""
    try:
        train()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    return True


def batches_of(folder: RunFolder, plan: Plan, config: TrainConfig) -> StepBatches:
    """Return how a run's samples come: as planned, or as it was recorded when memory ran out.

    Raises:
        DataError: when the record does not hold as many samples a step as the plan.
    """
    planned = StepBatches(plan.batch, config.training.accumulate)
    if not folder.smaller_batch.exists():
        return planned
    try:
        found: Any = load_json(folder.smaller_batch)
        recorded = StepBatches(int(found["batch"]), int(found["accumulate"]))
    except (TypeError, KeyError, ValueError) as error:
        raise DataError(f"{folder.smaller_batch} does not say batch and accumulate: remove it") from error
    if recorded.batch < 1 or recorded.batch * recorded.accumulate != planned.batch * planned.accumulate:
        raise DataError(f"{folder.smaller_batch} holds other samples a step than {folder.plan}: remove it")
    return recorded


def in_batches(config: TrainConfig, study: Study, batches: StepBatches) -> tuple[TrainConfig, Study]:
    """Return config and study with batches other than planned."""
    training = replace(config.training, accumulate=batches.accumulate)
    return replace(config, training=training), replace(study, plan=replace(study.plan, batch=batches.batch))


def needed_and_there(config: TrainConfig, plan: Plan, batches: StepBatches) -> str:
    """Say that memory ran out: what is needed, what there is, and what to set."""
    patch = " x ".join(map(str, plan.patch))
    what = f"a batch of {batches.batch} patch{'es' * (batches.batch > 1)} of {patch} voxels"
    needed = step_bytes(config, plan, batches.batch)
    about = f"{what} needs about {size_text(needed)}" if needed else f"{what} needs more"
    return (
        f"memory ran out: {about}, {memory_now(config)}; the last checkpoint is as it was. In a new run set a "
        f"smaller plan.patch{', plan.batch' * (batches.batch > 1)} or network.features, or end other programs"
    )


def memory_now(config: TrainConfig) -> str:
    """Say how much memory is free now where a training runs."""
    return memory_there(with_gpu=choose_device(config.device).type == "cuda")


def step_bytes(config: TrainConfig, plan: Plan, batch: int) -> int | None:
    """Return the estimated bytes of a training step; None for a network that cannot be looked at."""
    device = choose_device(config.device)
    dtype = torch.bfloat16 if uses_bf16(config.training.precision, device) else torch.float32
    outputs = labels_from(config.data.labels or {}, config.data.region_order).outputs
    arguments = network_arguments(config.network, replace(plan, members=1), out_channels=outputs)
    try:
        one = footprint(lambda: build_network(arguments), plan.width, plan.network_patch, dtype)
    except (RuntimeError, UsageError):
        return None
    return one.step_bytes(one.voxels, batch, on_gpu=device.type == "cuda")
