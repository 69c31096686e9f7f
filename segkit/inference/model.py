"""A trained model, ready to segment: `segkit.load(RUN).segment(PATH).save(PATH)`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segkit.config.groups import conf_folder
from segkit.config.labels import Labels, labels_from, swapped_outputs
from segkit.config.options import InferenceOptions, PostprocessingOptions, ScoreOptions
from segkit.config.plan import AXES
from segkit.config.rules import Rules
from segkit.config.typed import typed
from segkit.datasets.case import Case
from segkit.foundation.errors import DataError
from segkit.foundation.files import read_yaml
from segkit.foundation.hashing import value_hash
from segkit.inference.case_scores import DISAGREEMENT, CaseScores, segmented_with_scores
from segkit.inference.members import check_alike, load_network, meant, members_of, prepared_alike
from segkit.inference.memory import activation_bytes, plan_work
from segkit.inference.restoring import as_values
from segkit.inference.rules import rules_of
from segkit.inference.segmenting import segmented_or_smaller
from segkit.inference.streaming import Stream, Work
from segkit.networks.precision import choose_device
from segkit.preparation.disk import HALF
from segkit.preparation.pipeline import size_of
from segkit.preparation.prepare import Prepared, prepare
from segkit.preparation.scans import Scan, numbered, read_scan
from segkit.runs.model_file import ModelFolder, ModelRecord, previous_of, read_record
from segkit.version import __version__
from segkit.volumes.grid import as_3d
from segkit.volumes.label_values import as_colours, voxels_of_values
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
        scores: what the networks think of it, where that was asked for.
    """

    array: NDArray[np.integer]
    labels: Labels
    scan: Volume
    scores: CaseScores | None = None

    @property
    def volumes(self) -> dict[str, float]:
        """The volume of each label but the background in ml, over the whole mask."""
        voxels = voxels_of_values(self.array)
        voxel_ml = as_3d(self.scan.grid).voxel_mm3 / 1000
        held = {name: self.labels.members[name] for name in self.labels.foreground}
        if not self.labels.is_regions:  # of merged values masks hold the first
            held = {name: values[:1] for name, values in held.items()}
        return {name: round(sum(voxels.get(v, 0) for v in values) * voxel_ml, 6) for name, values in held.items()}

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
class Ready:
    """A scan that is prepared for a model, and how its mask will be computed.

    Attributes:
        scan: as it was read.
        streams: one for each plan of the model.
        work: how much of the scan is worked on at once, and the memory that takes.
    """

    scan: Scan
    streams: tuple[Stream, ...]
    work: Work


@dataclass(frozen=True, eq=False)
class Model:
    """One network, or several whose predictions are averaged.

    Logits are averaged over networks of one plan; over plans, probabilities where their grids meet: on the scan's.

    Attributes:
        records: what each network is; labels and channels are the same in all.
        networks: in evaluation mode, on their device.
        options: how a whole scan is covered.
        rules: what becomes of each label's components and holes.
        previous: for each network the earlier stage of its cascade, whose mask it is shown; empty where none has one.
        scores: what masks bring along of how sure networks are; None: nothing.
        scratch: folder on whose disk that lies until it is written; None: the system's for temporary files.
    """

    records: tuple[ModelRecord, ...]
    networks: tuple[nn.Module, ...]
    options: InferenceOptions
    rules: Rules = field(default_factory=dict)
    previous: tuple[Model | None, ...] = ()
    scores: ScoreOptions | None = None
    scratch: Path | None = None

    @property
    def record(self) -> ModelRecord:
        """The first network's record."""
        return self.records[0]

    @cached_property
    def version(self) -> str:
        """The beginning of a hash of all networks' weights."""
        return value_hash([record.weights for record in self.records])[:12]

    @cached_property
    def labels(self) -> Labels:
        """What the outputs stand for."""
        return labels_from(self.record.labels, self.record.region_order)

    @cached_property
    def plans(self) -> list[list[int]]:
        """Which networks share a plan."""
        shared: list[list[int]] = []
        for index, record in enumerate(self.records):
            same = [group for group in shared if prepared_alike(self.records[group[0]]) == prepared_alike(record)]
            if same:
                same[0].append(index)
            else:
                shared.append([index])
        return shared

    @cached_property
    def streamed(self) -> list[list[int]]:
        """Which networks run as one stream: those of a plan, or each alone where it matters how they differ."""
        if self.scores is None or DISAGREEMENT not in self.scores.maps:
            return self.plans
        return [[index] for group in self.plans for index in group]

    @cached_property
    def together(self) -> list[list[int]]:
        """Which streams are of one plan."""
        return [[index for index, own in enumerate(self.streamed) if own[0] in group] for group in self.plans]

    @cached_property
    def activations(self) -> list[int]:
        """For each stream the bytes of one window's way through its networks."""
        firsts = [group[0] for group in self.streamed]
        return [
            activation_bytes(self.networks[first], self.records[first].plan, self.options.precision) for first in firsts
        ]

    def segment(self, images: str | Location | dict[str, Location]) -> Mask:
        """Segment one scan.

        Args:
            images: a file, DICOM folder or series that holds all channels, or one per channel by name.

        Raises:
            DataError: when the scan cannot be read or has other channels than the model.
            GeometryError: when its channels do not share one grid.
            UsageError: when `inference.memory` does not hold one window.
        """
        return self.mask_of(self.ready_of(self.read(images)))

    def read(self, images: str | Location | dict[str, Location]) -> Scan:
        """Read the channels of a scan that the model takes; raises as `segment` does."""
        names = list(self.record.plan.normalisation)
        place = Path(images) if isinstance(images, str) else images
        paths = place if isinstance(place, dict) else dict.fromkeys(names, place)
        if set(paths) != set(names):
            raise DataError(f"the model takes the channels {', '.join(names)}; given: {', '.join(paths)}")
        return read_scan(paths, self.record.plan.inputs)

    def ready_of(self, scan: Scan) -> Ready:
        """Prepare a scan that was read, and settle how its mask will be computed; raises as `segment` does.

        Of a cascade the earlier stage segments it now.
        """
        prepared = {plan[0]: prepare(self._shown(scan, plan[0]), self.records[plan[0]].plan) for plan in self.plans}
        plan_of = {index: prepared[plan[0]] for plan in self.plans for index in plan}
        streams = tuple(self._stream(group, plan_of[group[0]]) for group in self.streamed)
        is_scored = self.scores is not None and self.scores.are_wanted
        # Numbers on the scan's grid are written as files hold them, the last axis outermost.
        axes = [AXES - 1] if self.scores is not None and self.scores.on_the_grid else range(AXES)
        with_scores = is_scored or len(streams) > 1
        return Ready(scan, streams, plan_work(streams, scan.grid, self.activations, with_scores=with_scores, axes=axes))

    def bytes_to_read(self, images: Mapping[str, Location]) -> int:
        """Return the bytes in which a scan is read and prepared at most, 0 where its headers do not tell its size."""
        case = Case("", dict(images), None)
        plans = [self.records[group[0]].plan for group in self.plans]
        sizes = [(size_of(case, plan, None), plan.width) for plan in plans]
        kept = sum(HALF * channels * math.prod(size.prepared) for size, channels in sizes[1:])
        return max(size.memory(channels) for size, channels in sizes) + kept

    def mask_of(self, ready: Ready) -> Mask:
        """Compute the mask of a scan that is prepared."""
        scores = None
        if self.scores is not None and self.scores.are_wanted:
            places, scores = segmented_with_scores(
                ready.streams, ready.scan.grid, self.labels, ready.work, self.together, self.scores,
                self.scratch or Path(gettempdir()),
            )  # fmt: skip
        else:
            places = segmented_or_smaller(ready.streams, ready.scan.grid, self.labels, ready.work, self.activations)
        values = as_values(places, self.labels)
        if self.rules:
            from segkit.postprocessing.applying import apply_rules  # SciPy's image functions, which many never need

            values = apply_rules(values, self.rules, self.labels, ready.scan.grid.voxel_mm3)
        scan = replace(ready.scan.first, note=f"segkit {__version__}, model {self.version}")
        return Mask(values.reshape(scan.grid.shape), self.labels, scan, scores)

    def _shown(self, scan: Scan, index: int) -> Scan:
        earlier = self.previous[index] if self.previous else None
        if earlier is None:
            return scan
        found = earlier.mask_of(earlier.ready_of(scan)).array.reshape(scan.grid.shape)
        return replace(scan, previous=numbered(found, self.labels, "the mask of the earlier stage"))

    def _stream(self, group: Sequence[int], prepared: Prepared) -> Stream:
        record = self.records[group[0]]
        return Stream(
            networks=[self.networks[index] for index in group],
            flips=[self.records[index].flips for index in group],
            swapped=swapped_outputs(self.labels, record.mirrored),
            plan=record.plan,
            image=prepared.image,
            grid=prepared.grid,
            options=self.options,
        )


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
        run: a run folder, its `model/`, a study whose folds were pooled, or a package (`FILE.segkit`); several for an
            ensemble.
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
    found = [member for path in paths for member in members_of(Path(path))]
    folders, records = [folder for folder, _ in found], tuple(record for _, record in found)
    check_alike(folders, records)
    rules = rules_of(records, postprocessing)
    return assembled(folders, records, choose_device(device), options or standard_options(), rules, trust)


def assembled(
    folders: Sequence[ModelFolder], records: tuple[ModelRecord, ...], device: torch.device,
    options: InferenceOptions, rules: Rules, trust: Sequence[str],
) -> Model:  # fmt: skip
    """Build the networks of model folders, and those of their earlier stages; raises as `load` does."""
    networks, previous = [], []
    for folder, record in zip(folders, records, strict=True):
        networks.append(load_network(folder, record, trust).to(device).eval())
        earlier = previous_of(folder, record)
        before = tuple(read_record(each) for each in earlier)
        for each in before:
            if each.previous or meant(each) != meant(record):
                raise DataError(
                    f"{folder} is no cascade: its earlier stage has other labels or channels, or another one"
                )
        previous.append(assembled(earlier, before, device, options, {}, trust) if earlier else None)
    return Model(records, tuple(networks), options, rules, tuple(previous) if any(previous) else ())


def standard_options() -> InferenceOptions:
    """Return `conf/inference/standard.yaml`."""
    return typed(InferenceOptions, read_yaml(conf_folder() / "inference" / "standard.yaml"), "inference")
