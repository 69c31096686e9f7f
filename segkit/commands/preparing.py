"""What `train` and `prepare` share: the cases of a data set, split, planned and prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.config.labels import in_class_order
from segkit.config.options import DatasetOptions, PlanOptions, PreprocessingOptions
from segkit.config.plan import Plan
from segkit.datasets import Case, Layout
from segkit.datasets.splits import Split, split_cases
from segkit.foundation.building import build
from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.foundation.files import check_writable
from segkit.preparation.pipeline import plan_dataset, prepare_dataset
from segkit.preparation.store import PreparedCase, total_bytes

MEGABYTE = 1e6


@dataclass(frozen=True)
class Study:
    """A data set that is ready to train on.

    Attributes:
        cases: every case by name.
        labels: name to value, in class order.
        split: which cases train, validate and stay held out.
        plan: how scans become patches.
        prepared: the cases that train and validate, by name.
    """

    cases: dict[str, Case]
    labels: dict[str, int]
    split: Split
    plan: Plan
    prepared: dict[str, PreparedCase]

    def of(self, part: str) -> list[PreparedCase]:
        """Return the prepared cases of `training` or `validation`."""
        return [self.prepared[name] for name in self.split.names(part)]


def cases_of(options: DatasetOptions) -> dict[str, Case]:
    """Return every case of a data set by name.

    Raises:
        DataError: when the layout finds none.
    """
    layout: Layout = build(options.layout)
    return {case.name: case for case in layout.cases(options.channels)}


def prepare_study(
    options: DatasetOptions,
    *,
    fold: str,
    plan: PlanOptions | Plan,
    split: Split | None = None,
    preprocessing: PreprocessingOptions,
    network: Mapping[str, Any],
    cache: Path,
    workers: int | None,
) -> Study:
    """Find, split, plan and prepare a data set; what is in the cache already is not done again.

    Args:
        options: the data set.
        fold: `all`, or the fold that validates.
        plan: what the planner may decide, or the plan of a run that goes on.
        split: of a run that goes on; None: split now.
        preprocessing: intensity transforms of the user's.
        network: its yaml, whose features bound the levels.
        cache: folder of prepared cases.
        workers: processes; None: as many as cores and memory allow.

    Raises:
        DataError: when the data set cannot be split.
        CasesFailedError: when cases cannot be used, each named in a line.
    """
    check_writable(cache)
    cases, labels = cases_of(options), in_class_order(options.labels)
    split = split or split_cases(list(cases.values()), options.split, fold)
    check_present(split, cases, Path(options.root))
    used = [cases[name] for name in sorted((*split.training, *split.validation))]
    say(
        f"{options.name}: {len(cases)} cases, of which {len(split.training)} train, "
        f"{len(split.validation)} validate, {len(split.held_out)} are held out"
    )
    if isinstance(plan, PlanOptions):
        plan = plan_dataset(
            used,
            plan,
            channels=options.channels,
            labels=labels,
            levels=len(network.get("features", range(6))),
            transforms=preprocessing.transforms,
            store=cache,
            workers=workers,
        )
    say(
        f"plan: {plan.dims}D patches of {' x '.join(map(str, plan.patch))} voxels, batch {plan.batch}, "
        f"{len(plan.strides)} levels, spacing {' x '.join('own' if s is None else f'{s:.3g}' for s in plan.spacing)} mm"
    )
    prepared = prepare_dataset(used, plan, labels=labels, store=cache, workers=workers)
    say(f"{len(prepared)} prepared cases, {total_bytes(prepared) / MEGABYTE:.0f} MB, in {cache}")
    return Study(cases, labels, split, plan, {case.name: case for case in prepared})


def check_present(split: Split, cases: Mapping[str, Case], root: Path) -> None:
    """Make sure that every case of a split is still in the data set, with its reference.

    Raises:
        DataError: naming the first that is not.
    """
    for name in (*split.training, *split.validation):
        if name not in cases or cases[name].reference is None:
            raise DataError(f"{root} no longer holds {name} with its reference, on which this run trains or validates")
