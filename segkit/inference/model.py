"""A trained model, ready to segment: `segkit.load(RUN).segment(PATH).save(PATH)`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segkit.config.groups import conf_folder
from segkit.config.labels import Labels, labels_from, swapped_outputs
from segkit.config.options import InferenceOptions, PostprocessingOptions
from segkit.config.rules import Rules
from segkit.config.typed import typed
from segkit.foundation.errors import DataError
from segkit.foundation.files import read_yaml
from segkit.inference.restoring import mask_on_scan
from segkit.inference.rules import rules_of
from segkit.inference.sliding import sliding_logits
from segkit.networks.building import build_network, check_network
from segkit.networks.precision import choose_device
from segkit.postprocessing.applying import apply_rules
from segkit.preparation.intensity_transforms import check_transforms
from segkit.preparation.prepare import prepare
from segkit.preparation.scans import Scan, read_scan
from segkit.runs.model_file import ModelRecord, read_record, read_weights
from segkit.volumes.label_values import as_colours
from segkit.volumes.selection import Location
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask


@dataclass(frozen=True, eq=False)
class Mask:
    """A predicted segmentation on the grid of its scan.

    Attributes:
        array: label values, shape (X, Y[, Z]).
        labels: as the data set declared them.
        scan: the scan's first channel, whose geometry the mask takes.
    """

    array: NDArray[np.integer]
    labels: Labels
    scan: Volume

    def save(self, path: str | Path) -> Path:
        """Write the mask; the suffix names the format. Returns the path.

        Raises:
            GeometryError: when the format cannot hold the scan's grid.
        """
        target = Path(path)
        if self.labels.in_colour:
            write(self.scan.with_array(as_colours(self.array)), target)
        else:
            write_mask(self.array, self.scan, target)
        return target


@dataclass(frozen=True, eq=False)
class Model:
    """One network, or several of one plan whose logits are averaged.

    Attributes:
        records: what each network is; plan and labels are the same in all.
        networks: in evaluation mode, on their device.
        options: how a whole scan is covered.
        rules: what becomes of each label's components and holes.
    """

    records: tuple[ModelRecord, ...]
    networks: tuple[nn.Module, ...]
    options: InferenceOptions
    rules: Rules = field(default_factory=dict)

    @property
    def record(self) -> ModelRecord:
        """The first network's record."""
        return self.records[0]

    def segment(self, images: str | Location | dict[str, Location]) -> Mask:
        """Segment one scan.

        Args:
            images: a file, DICOM folder or series that holds all channels, or one per channel by name.

        Raises:
            DataError: when the scan cannot be read or has other channels than the model.
            GeometryError: when its channels do not share one grid.
        """
        names = list(self.record.plan.normalisation)
        place = Path(images) if isinstance(images, str) else images
        paths = place if isinstance(place, dict) else dict.fromkeys(names, place)
        if set(paths) != set(names):
            raise DataError(f"the model takes the channels {', '.join(names)}; given: {', '.join(paths)}")
        return self.segment_scan(read_scan(paths, self.record.plan.inputs))

    def segment_scan(self, scan: Scan) -> Mask:
        """Segment a scan that is read already."""
        prepared = prepare(scan, self.record.plan)
        labels = labels_from(self.record.labels, self.record.region_order)
        swapped = swapped_outputs(labels, self.record.mirrored)
        logits = sum(
            sliding_logits(network, prepared.image, self.record.plan, self.options, flips=record.flips, swapped=swapped)
            for record, network in zip(self.records, self.networks, strict=True)
        )
        assert isinstance(logits, torch.Tensor)
        values = mask_on_scan(logits.cpu().numpy(), prepared.grid, prepared.scan_grid, labels)
        values = apply_rules(values, self.rules, labels, scan.grid.voxel_mm3)
        return Mask(values.reshape(scan.first.grid.shape), labels, scan.first)


def load(
    run: str | Path | Sequence[str | Path],
    *,
    device: str = "auto",
    options: InferenceOptions | None = None,
    postprocessing: PostprocessingOptions | None = None,
    trust: Sequence[str] = (),
) -> Model:
    """Load a trained run, or several as an ensemble.

    Args:
        run: a run folder or its `model/`; several for an ensemble.
        device: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
        options: overlap, flips, precision; None takes `conf/inference/standard.yaml`.
        postprocessing: rules for components and holes; None takes those that the run learnt.
        trust: packages beside segkit, monai and torch whose networks may be built.

    Raises:
        DataError: when a folder holds no model, the weights are not the recorded ones, or the models do not fit.
        UsageError: when the device is missing, a network is of a package that is not trusted, or a rule is of a label
            that the run does not have.
    """
    paths = [run] if isinstance(run, str | Path) else list(run)
    folders = [path / "model" if (path / "model").is_dir() else path for path in map(Path, paths)]
    records = tuple(read_record(folder) for folder in folders)
    for folder, record in zip(folders, records, strict=True):
        if comparable(record) != comparable(records[0]):
            raise DataError(f"{folder} has another plan or other labels than {folders[0]}; they make no ensemble")
    rules = rules_of(records, postprocessing)
    where = choose_device(device)
    networks = tuple(
        load_network(folder, record, trust).to(where).eval() for folder, record in zip(folders, records, strict=True)
    )
    return Model(records, networks, options or standard_options(), rules)


def comparable(record: ModelRecord) -> list[Any]:
    """Return what two models must share for their logits to be averaged."""
    plan = record.plan
    prepared = [plan.dims, plan.orientation, plan.spacing, plan.patch, plan.normalisation, plan.transforms]
    return [*prepared, plan.order, plan.onto, record.labels, record.region_order, record.mirrored]


def standard_options() -> InferenceOptions:
    """Return `conf/inference/standard.yaml`."""
    return typed(InferenceOptions, read_yaml(conf_folder() / "inference" / "standard.yaml"), "inference")


def load_network(folder: Path, record: ModelRecord, trust: Sequence[str]) -> nn.Module:
    """Build a recorded network, once nothing in its record is what a stranger may not name, and give it its weights.

    Raises:
        DataError: when the weights do not fit the network, or the record names something that may not be built.
        UsageError: when the record names a package that is not allowed.
    """
    check_network(record.network, trust)
    check_transforms(record.plan.transforms, trust)
    network = build_network(record.network)
    try:
        network.load_state_dict(read_weights(folder, record))
    except RuntimeError as error:
        raise DataError(f"the weights in {folder} do not fit its network: {str(error).splitlines()[-1]}") from error
    return network
