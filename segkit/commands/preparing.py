"""What `train`, `prepare` and `inspect` share: a data set checked, split, planned and prepared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.commands.budgets import budget_of, depends_on_length
from segkit.commands.plan_memory import with_memory
from segkit.commands.usable import Usable, usable_dataset
from segkit.config.checks import EACH
from segkit.config.commands import InspectConfig, PrepareConfig, TrainConfig
from segkit.config.labels import Labels
from segkit.config.options import PlanOptions, PreprocessingOptions
from segkit.config.plan import Plan, leaves_features, plan_from
from segkit.config.sharing import check_sharing
from segkit.datasets import Case
from segkit.datasets.dataset import Dataset, open_dataset
from segkit.datasets.presence import strata_by_labels
from segkit.datasets.splits import ALL, Split, split_cases
from segkit.foundation.console import say
from segkit.foundation.errors import DataError
from segkit.foundation.files import check_writable
from segkit.foundation.memory_size import size_text
from segkit.foundation.strangers import load_yaml
from segkit.preparation.fingerprint import CaseFingerprint, fingerprint
from segkit.preparation.fingerprints import read_fingerprints
from segkit.preparation.identical import together_by_content
from segkit.preparation.normalisation import check_schemes
from segkit.preparation.pipeline import prepare_dataset
from segkit.preparation.store import PreparedCase, total_bytes
from segkit.preparation.upkeep import keep_in_use

if TYPE_CHECKING:
    from segkit.preparation.budget import Budget

OTHER_PLANS = (
    "a training.budget may make patches smaller than these: with the same training.budget=... here they are those of "
    "the training, with plan.file=RUN/plan.yaml those of a run"
)


@dataclass(frozen=True)
class Study:
    """A data set that is ready to train on.

    Attributes:
        dataset: every usable case.
        split: which cases train, validate and stay held out.
        plan: how scans become patches.
        prepared: the cases that train and validate, by name.
    """

    dataset: Dataset
    split: Split
    plan: Plan
    prepared: dict[str, PreparedCase]

    @property
    def labels(self) -> Labels:
        """What the voxels of references mean."""
        return self.dataset.labels

    def of(self, part: str) -> list[PreparedCase]:
        """Return the prepared cases of `training` or `validation`."""
        return [self.prepared[name] for name in self.split.names(part)]


@dataclass(frozen=True)
class Decided:
    """What a run that goes on has decided already."""

    plan: Plan
    split: Split


def prepare_study(
    config: TrainConfig | PrepareConfig | InspectConfig, *, before: Decided | None = None, most: int | None = None
) -> Study:
    """Find, check, split, plan and prepare a data set; what is in the cache already is not done again.

    Args:
        config: of the command.
        before: plan and split of a run that goes on; None: decided now.
        most: cases of each part that are used; None: all.

    Raises:
        DataError: when the data set cannot be split.
        CasesFailedError: when cases cannot be used, each named in a line.
        UsageError: when the processes of the training cannot share a batch, or its network does not take the patch.
    """
    plan, cache, workers = with_memory(config.plan, config.device), Path(config.paths.cache), config.workers
    check_writable(cache)
    keep_in_use(cache)
    dataset = open_dataset(config.data)
    check_schemes(plan.normalisation, dataset.channels)
    found: dict[str, CaseFingerprint] = {}
    if before:
        check_present(before.split, dataset.cases, Path(config.data.root))
        study = Study(dataset, before.split, before.plan, {})
    else:
        usable = usable_dataset(dataset, workers)
        split = shortened(split_dataset(usable.dataset, config.training.fold, workers), most)
        on_scan = config.preprocessing.on_scan or []
        usable, found = with_fingerprints(
            usable, split, plan.orientation, cache, workers, on_scan, config.training.stalled_seconds
        )
        split = without(split, usable.left_out)
        made = plan_dataset(
            usable.dataset, list(found.values()), plan, config.network, config.preprocessing, budget_of(config),
            config.training.steps if depends_on_length(config) else None,
        )  # fmt: skip
        if plan.file and not isinstance(config, PrepareConfig):  # what is prepared suits any network
            from segkit.networks.building import check_patch

            check_patch(config.network, made)
        study = Study(usable.dataset, split, made, {})
    announce(study)
    if not before and may_plan_otherwise(config):
        say(OTHER_PLANS)
    check_sharing(study.plan.batch // study.plan.members, config.training.devices or 1)
    used = [study.dataset.cases[name] for name in sorted((*study.split.training, *study.split.validation))]
    prepared = prepare_dataset(
        used, study.plan, labels=study.labels, store=cache, workers=workers, fingerprints=found,
        limit=config.training.stalled_seconds,
    )  # fmt: skip
    say(f"{len(prepared)} prepared cases, {size_text(total_bytes(prepared))}, in {cache}")
    return replace(study, prepared={case.name: case for case in prepared})


def split_dataset(dataset: Dataset, fold: str, workers: int | None) -> Split:
    """Split a data set, identical images and the cases of a patient on one side."""
    options = dataset.options.split
    fold = ALL if fold == EACH else fold  # whichever validates, the same cases are prepared
    cases = list(dataset.cases.values())
    strata = strata_by_labels(cases, dataset.labels, options.stratify_by, workers)
    return split_cases(cases, options, fold, together=together_by_content(cases), strata=strata)


def shortened(split: Split, most: int | None) -> Split:
    """Return a split with at most so many cases of each part."""
    return Split(split.training[:most], split.validation[:most], split.held_out[:most])


def with_fingerprints(
    usable: Usable,
    split: Split,
    orientation: str | None,
    cache: Path,
    workers: int | None,
    transforms: Sequence[Mapping[str, Any]],
    limit: float | None,
) -> tuple[Usable, dict[str, CaseFingerprint]]:
    """Read the fingerprints of the cases that train and validate, and leave out, or refuse, those that fail.

    Raises:
        CasesFailedError: when cases cannot be used and `data.skip_unusable` is false.
    """
    dataset = usable.dataset
    cases = [dataset.cases[name] for name in sorted((*split.training, *split.validation))]
    found, failed = read_fingerprints(
        cases, channels=dataset.channels, labels=dataset.labels, orientation=orientation, store=cache, workers=workers,
        transforms=transforms, limit=limit,
    )  # fmt: skip
    names = [case.name for case in cases if case.name not in failed]
    return usable.leaving_out(failed), dict(zip(names, found, strict=True))


def plan_dataset(
    dataset: Dataset,
    found: Sequence[CaseFingerprint],
    options: PlanOptions,
    network: Mapping[str, Any],
    preprocessing: PreprocessingOptions,
    budget: Budget | None = None,
    steps: int | None = None,
) -> Plan:
    """Return the plan: the user's own file's, or the planner's, for the budget or the steps where they are known.

    Args:
        dataset: what is planned for.
        found: fingerprints of its cases.
        options: what is configured stays as it is.
        network: its yaml.
        preprocessing: transforms that the plan keeps.
        budget: of the training.
        steps: of a training whose augmentation depends on its length, where it counts them.

    Raises:
        DataError: when the file cannot be read, or is of other channels.
        UsageError: when an option fits no channel, or the network does not take the patch.
    """
    previous = dataset.labels.classes - 1 if dataset.options.previous else 0
    if options.file:
        plan = plan_of_file(options.file, list(dataset.channels), network)
        if steps or (budget and budget.tells_length):
            say_length(plan, options.file)
        transforms, on_scan = (
            tuple(dict(each) for each in listed or ()) for listed in (preprocessing.transforms, preprocessing.on_scan)
        )
        return replace(plan, on_scan=on_scan, transforms=transforms, previous=previous)
    from segkit.preparation.budget import enlarged, plan_within, with_length
    from segkit.preparation.planner import make_plan  # it runs networks, and PyTorch takes 2 s and 250 MB to load
    from segkit.preparation.reasons import CONFIGURED

    outputs = dataset.labels.outputs
    make = partial(
        make_plan, fingerprint(found), channels=dataset.channels, outputs=outputs, transforms=preprocessing.transforms,
        on_scan=preprocessing.on_scan or (), previous=previous,
    )  # fmt: skip
    made = plan_within(budget, make, options, network, outputs) if budget else make(options, network=network)
    made = with_length(made, steps) if steps else made
    return enlarged(made, options.members, CONFIGURED) if options.members else made


def plan_of_file(file: str, channels: Sequence[str], network: Mapping[str, Any]) -> Plan:
    """Return the plan of a file, without what it says of another training's budget and network.

    Raises:
        DataError: when it cannot be read, or is of other channels.
    """
    plan = plan_from(load_yaml(Path(file)), where=file)
    if list(plan.normalisation) != channels:
        raise DataError(
            f"{file} is for the channels {', '.join(plan.normalisation)}; the data set has {', '.join(channels)}"
        )
    reasons = {name: why for name, why in plan.reasons.items() if name != "budget"}
    return replace(plan, features=plan.features if leaves_features(network) else None, reasons=reasons)


def may_plan_otherwise(config: TrainConfig | PrepareConfig | InspectConfig) -> bool:
    """Say whether a training of the same words, which has to say how long it takes as well, may have other patches."""
    is_decided = config.plan.file or config.plan.patch or config.training.budget or config.training.steps
    return not is_decided


def say_length(plan: Plan, file: str) -> None:
    """Say what a stored plan keeps of the training that it was made for: augmentation, which its length decided."""
    why = plan.reasons.get("long")
    say(
        f"{file} augments patches as {'a long' if plan.long else 'a short'} training does, like the one that it is of"
        f"{f' ({why})' if why else ''}; its key long decides otherwise"
    )


def announce(study: Study) -> None:
    """Say which cases there are and how they are planned."""
    split, plan = study.split, study.plan
    say(
        f"{study.dataset.options.name}: {len(study.dataset.cases)} cases, of which {len(split.training)} train, "
        f"{len(split.validation)} validate, {len(split.held_out)} are held out"
    )
    networks = "" if plan.members == 1 else f" for {plan.members} networks"
    say(
        f"plan: {plan.dims}D patches of {' x '.join(map(str, plan.patch))} voxels, batch {plan.batch}{networks}, "
        f"{len(plan.strides)} levels, spacing {' x '.join('own' if s is None else f'{s:.3g}' for s in plan.spacing)} mm"
    )


def without(split: Split, left_out: Mapping[str, str]) -> Split:
    """Return a split without the cases that turned out to be unusable.

    Raises:
        DataError: when nothing is left to train on.
    """
    parts = [
        tuple(name for name in names if name not in left_out)
        for names in (split.training, split.validation, split.held_out)
    ]
    if not parts[0]:
        raise DataError("no case is left to train on: each is held out, validates or cannot be used")
    return Split(*parts)


def check_present(split: Split, cases: Mapping[str, Case], root: Path) -> None:
    """Make sure that every case of a split is still in the data set, with its reference.

    Raises:
        DataError: naming the first that is not.
    """
    for name in (*split.training, *split.validation):
        reference = cases[name].reference if name in cases else None
        if reference is None or not reference.exists():
            raise DataError(f"{root} no longer holds {name} with its reference, on which this run trains or validates")
