"""The models that make one, read from their folders: which fit together, and their networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from segkit.config.rules import plain_rules
from segkit.foundation.archives import Member
from segkit.foundation.errors import DataError, SegkitError, one_line
from segkit.networks.building import build_network, check_network, check_size
from segkit.preparation.intensity_transforms import BEFORE, check_transforms
from segkit.runs.ensemble import is_ensemble, read_ensemble
from segkit.runs.model_file import RECORD, ModelFolder, ModelRecord, read_record, read_weights
from segkit.runs.package import models_in


def check_alike(folders: Sequence[ModelFolder], records: Sequence[ModelRecord]) -> None:
    """Refuse models that make no ensemble.

    Raises:
        DataError: when they have other labels or channels.
    """
    for folder, record in zip(folders, records, strict=True):
        if meant(record) != meant(records[0]):
            raise DataError(f"{folder} has other labels or channels than {folders[0]}; they make no ensemble")


def members_of(path: Path) -> list[tuple[ModelFolder, ModelRecord]]:
    """Return the models at a place with their records; those of a study bear what its folds learnt together."""
    if not is_ensemble(path):
        return [(folder, read_record(folder)) for folder in models_in(path)]
    ensemble = read_ensemble(path)
    folders = [folder for member in ensemble.members for folder in models_in(member)]
    rules = plain_rules(ensemble.rules)
    return [(folder, replace(read_record(folder), postprocessing=rules)) for folder in folders]


def meant(record: ModelRecord) -> list[Any]:
    """Return what the masks of two models must share to be averaged."""
    channels = {name: channel.width for name, channel in record.plan.normalisation.items()}
    return [list(record.labels.items()), record.region_order, record.mirrored, channels, record.plan.onto]


def prepared_alike(record: ModelRecord) -> list[Any]:
    """Return what two models must share for their logits to be averaged, window by window."""
    plan = record.plan
    prepared = [
        plan.dims,
        plan.orientation,
        plan.spacing,
        plan.patch,
        plan.normalisation,
        plan.on_scan,
        plan.transforms,
    ]
    return [*prepared, plan.order, plan.onto, plan.neighbours, record.weights if record.previous else None]


def load_network(folder: ModelFolder, record: ModelRecord, trust: Sequence[str]) -> nn.Module:
    """Build a recorded network, once nothing in its record is what a stranger may not name, and give it its weights.

    Raises:
        DataError: when the weights do not fit the network, or the record names something that may not be built.
        UsageError: when the record names a package that is not allowed.
    """
    with _naming(folder / RECORD):
        check_network(record.network, trust)
        check_transforms(record.plan.on_scan, trust, key=BEFORE)
        check_transforms(record.plan.transforms, trust)
    weights = read_weights(folder, record)
    with _naming(folder / RECORD):
        check_size(record.network, weights)
        network = build_network(record.network)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"the weights in {folder} do not fit its network: {str(error).splitlines()[-1]}") from error
    return network


@contextmanager
def _naming(record: Path | Member) -> Iterator[None]:
    """Say in which file stands what is refused."""
    try:
        yield
    except SegkitError as error:
        raise type(error)(f"{record}: {error}") from error
    except RuntimeError as error:  # of PyTorch, on sizes that cannot be
        raise DataError(f"{record}: network: it cannot be built: {one_line(error)}") from error
