"""A data set as it is declared and described, its cases found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segkit.config.channels import Channel, channels_from
from segkit.config.labels import Labels, labels_from
from segkit.config.options import DatasetOptions
from segkit.datasets.case import Case, Layout
from segkit.datasets.columns import with_columns
from segkit.datasets.dataset_json import check_unique
from segkit.datasets.unlabelled import unlabelled_of
from segkit.foundation.building import arguments_of, build
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.strangers import resolve_target

MASK = ".nii.gz"  # what follows a case's name in the file of an earlier stage's mask


@dataclass(frozen=True)
class Dataset:
    """Cases, and what their channels and voxels mean.

    Attributes:
        options: complete: what the layout's own files say stands in them.
        cases: by name, sorted.
        channels: by name, in channel order.
        labels: the background first.
        unlabelled: by case the labels that nobody drew in its reference; cases in which all were drawn have no entry.
    """

    options: DatasetOptions
    cases: Mapping[str, Case]
    channels: Mapping[str, Channel]
    labels: Labels
    unlabelled: Mapping[str, frozenset[str]] = field(default_factory=dict)


def open_dataset(options: DatasetOptions) -> Dataset:
    """Find the cases of a data set and complete its description.

    Raises:
        UsageError: when channels or labels are declared nowhere, or wrongly.
        DataError: when the layout finds no case, or two of one name.
    """
    layout: Layout = build(options.layout)
    options = described(options, layout)
    channels = channels_from(options.channels or {})
    found = layout.cases(channels)
    if not found:
        raise DataError(f"data.layout: {options.layout['_target_']} found no case")
    check_unique([case.name for case in found], "data.layout")
    cases = {case.name: case for case in with_columns(found, options.columns)}
    if options.previous:
        masks = earlier_masks(Path(options.previous))
        cases = {name: replace(case, previous=masks.get(f"{name}{MASK}")) for name, case in cases.items()}
    labels = labels_from(options.labels or {}, options.region_order)
    unlabelled = unlabelled_of(list(cases.values()), options.annotated, labels)
    return Dataset(options, cases, channels, labels, unlabelled)


def earlier_masks(folder: Path) -> dict[str, Path]:
    """Return the masks of an earlier stage by file name, each in a folder of those that made it."""
    return {path.name: path for path in sorted(folder.glob(f"*/*{MASK}"))}


def open_recorded(options: DatasetOptions, trust: Sequence[str]) -> Dataset:
    """Open the data set that a run's own config names; nothing is downloaded.

    Raises:
        UsageError: when its layout is of a package beside segkit, monai, torch and `trust`.
        DataError: when its layout is no layout, or finds no case.
    """
    target, arguments = str(options.layout.get("_target_")), arguments_of(options.layout)
    resolve_target(target, roles=(Layout,), trust=trust, slot="data.layout", arguments=arguments)
    offline = {"download": False} if "download" in arguments else {}
    return open_dataset(replace(options, layout={**options.layout, **offline}))


def completed(options: DatasetOptions) -> DatasetOptions:
    """Return the options with channels and labels, those of the layout's own files where none are declared.

    Raises:
        UsageError: when they are declared nowhere.
        DataError: when the layout's files cannot be read.
    """
    is_complete = options.channels is not None and options.labels is not None
    return options if is_complete else described(options, build(options.layout))


def described(options: DatasetOptions, layout: Layout) -> DatasetOptions:
    """Return the options with what the layout's own files say of channels and labels; what is typed wins.

    Raises:
        UsageError: when channels or labels are declared nowhere.
    """
    if options.channels is not None and options.labels is not None:
        return options
    found = layout.describe()
    channels, labels = options.channels or found.channels, options.labels or found.labels
    if not channels:
        raise UsageError("data.channels is not set, and the data set does not say: write e.g. data.channels={CT: ct}")
    if not labels:
        raise UsageError("data.labels is not set, and the data set does not say: write e.g. data.labels={liver: 1}")
    order = options.region_order or (None if options.labels else found.region_order)
    # A layout that draws labels itself numbers them as it did now, whatever is added to the data set later.
    own = {"labels": dict(labels)} if options.layout.get("labels", ...) is None else {}
    layout_options = {**options.layout, **own}
    return replace(options, layout=layout_options, channels=dict(channels), labels=dict(labels), region_order=order)
