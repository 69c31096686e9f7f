"""A trained model on disk: weights.safetensors and model.yaml, all that prediction needs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segkit.config.labels import is_declared, labels_from
from segkit.config.plan import AXES, Plan, plan_from
from segkit.config.rules import are_rules
from segkit.foundation.archives import ArchiveFolder, Member
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import atomic_folder, write_yaml
from segkit.foundation.hashing import file_hash
from segkit.foundation.strangers import load_tensors, load_yaml

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
ModelFolder = Path | ArchiveFolder  # `model/` of a run, or what a package holds in its stead
WEIGHTS, RECORD = "weights.safetensors", "model.yaml"
SEEN_DIGITS = 16  # of a sha256: two scans do not share them, and nothing of a scan can be told from them
PREVIOUS = "previous_{}"  # folders of the models of an earlier stage, numbered from 1
MOST_PREVIOUS = 20


@dataclass(frozen=True)
class ModelRecord:
    """What a model is, beside its weights.

    Attributes:
        name: of the data set or study it comes from.
        labels: as `data.labels` declares them.
        mirrored: pairs of labels that swap under a left-right flip.
        flips: prepared axes along which training flipped, and along which prediction may average.
        plan: how scans are prepared for it.
        network: `_target_` and every argument.
        segkit: the version that wrote it.
        region_order: as `data.region_order` declares it; empty where labels are no regions.
        postprocessing: by label what was learnt of its components and holes, as `segkit.config.rules` reads it.
        previous: how many models of an earlier stage lie in its folder, whose mask the network is shown; 0: none.
        training: steps, seconds, cases; for people.
        seen: of each scan that trained it the beginning of its sha256, sorted: tells one who has a scan whether it did.
        weights: sha256 of the weights file.
        format: of this record.
    """

    name: str
    labels: dict[str, Any]
    mirrored: list[list[str]]
    flips: list[int]
    plan: Plan
    network: dict[str, Any]
    segkit: str
    region_order: list[int] = field(default_factory=list)
    postprocessing: dict[str, dict[str, Any]] = field(default_factory=dict)
    previous: int = 0
    training: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    weights: str = ""
    format: int = FORMAT

    @property
    def network_name(self) -> str:
        """What the network is, in a word; of a committee its members."""
        one = self.network.get("network")
        if isinstance(one, dict):
            return f"{self.network.get('members')} x {one.get('_target_')}"
        return str(self.network["_target_"])


def write_model(
    folder: Path, record: ModelRecord, weights: Mapping[str, Tensor], previous: Sequence[Path] = ()
) -> None:
    """Write a model; an earlier one in the same place is replaced.

    Args:
        folder: `model/` of a run.
        record: everything but the weights' hash and the count of `previous`, which are added.
        weights: parameters and buffers by name.
        previous: model folders of an earlier stage, which are copied into this one.
    """
    from safetensors.torch import save_file

    if folder.exists():  # absent for a moment, but never half: a folder that holds something cannot be replaced
        shutil.rmtree(folder)
    # Copies, since safetensors refuses tensors that share memory, as tied weights do.
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    with atomic_folder(folder) as temporary:
        save_file(own, temporary / WEIGHTS)
        for number, model in enumerate(previous, start=1):
            shutil.copytree(model, temporary / PREVIOUS.format(number))
        known = {"weights": file_hash(temporary / WEIGHTS), "previous": len(previous)}
        write_yaml(temporary / RECORD, {**asdict(record), **known})


def previous_of(folder: ModelFolder, record: ModelRecord) -> list[ModelFolder]:
    """Return the model folders of the earlier stage of a cascade; none for a model that stands alone."""
    names = [PREVIOUS.format(number) for number in range(1, record.previous + 1)]
    return [folder.folder(name) if isinstance(folder, ArchiveFolder) else folder / name for name in names]


def write_record(folder: Path, record: ModelRecord) -> None:
    """Write the record of a model anew, as `read_record` gave it but for what is new; its weights stay."""
    write_yaml(folder / RECORD, asdict(record))


def read_record(folder: ModelFolder) -> ModelRecord:
    """Read a model's record; nothing that it names is imported.

    Raises:
        DataError: when there is no model, it is of a later format, or keys are missing or wrong.
    """
    path = folder / RECORD
    if not path.is_file():
        raise DataError(f"{folder} holds no model ({RECORD}); has the run finished?")
    mapping = load_yaml(path)
    if not isinstance(mapping, dict) or "format" not in mapping:
        raise DataError(f"{path} is not a model record")
    if mapping["format"] != FORMAT:
        raise DataError(
            f"{path} is of format {mapping['format']}, written by segkit {mapping.get('segkit')}; this segkit reads "
            f"format {FORMAT}: use that version"
        )
    try:
        record = ModelRecord(**{**mapping, "plan": plan_from(mapping.get("plan", {}), where=str(path))})
    except TypeError as error:
        raise DataError(f"{path} is not a model record that this version reads: {error}") from error
    wrong = next((key for key, holds in _well_formed(record) if not holds), None)
    if wrong:
        raise DataError(f"{path} is not a model record that this version reads: {wrong} is malformed")
    return record


def _well_formed(record: ModelRecord) -> Iterator[tuple[str, bool]]:
    """Yield each key that others rely on, and whether its value is of the right kind."""
    network, order = record.network, record.region_order
    yield "region_order", isinstance(order, list) and all(type(value) is int for value in order)
    yield "labels", are_labels(record.labels, order)
    names, pairs = list(record.labels), record.mirrored if isinstance(record.mirrored, list) else [None]
    yield "mirrored", all(isinstance(pair, list) and all(name in names for name in pair) for pair in pairs)
    yield "flips", isinstance(record.flips, list) and all(flip in range(AXES) for flip in record.flips)
    yield "postprocessing", are_rules(record.postprocessing, labels_from(record.labels, order).foreground)
    is_cascade = type(record.previous) is int and 0 <= record.previous <= MOST_PREVIOUS
    yield "previous", is_cascade and bool(record.previous) == bool(record.plan.previous)
    yield "seen", isinstance(record.seen, list) and all(isinstance(each, str) for each in record.seen)
    yield "training", isinstance(record.training, dict)
    yield "network", isinstance(network, dict) and isinstance(network.get("_target_"), str)


def are_labels(declared: Any, region_order: list[int]) -> bool:
    """Say whether labels out of a file can be used."""
    try:
        return is_declared(declared) and bool(labels_from(declared, region_order))
    except UsageError:
        return False


def read_weights(folder: ModelFolder, record: ModelRecord) -> dict[str, Tensor]:
    """Read a model's weights.

    Raises:
        DataError: when they are missing, unreadable, or not those that the record was written with.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise DataError(f"{folder} holds no {WEIGHTS}")
    if (path.hash() if isinstance(path, Member) else file_hash(path)) != record.weights:
        raise DataError(f"{path} is not the file that {RECORD} was written with: its sha256 differs")
    return load_tensors(path)
