"""A data set written in nnU-Net's raw format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from segkit.config.channels import Channel, total_width
from segkit.config.labels import Labels
from segkit.config.options import DatasetOptions, SplitOptions
from segkit.datasets.case import Case
from segkit.datasets.dataset import Dataset, open_dataset
from segkit.datasets.dataset_json import FILE
from segkit.datasets.nnunet import IMAGES, LABELS, TEST_IMAGES, TEST_LABELS
from segkit.datasets.nnunet_json import ENDING, Numbering, described, numbering
from segkit.datasets.presence import strata_by_labels
from segkit.datasets.side_by_side import PROCESS
from segkit.datasets.splits import ALL, Split, split_cases
from segkit.foundation.console import say
from segkit.foundation.errors import CasesFailedError, DataError, SegkitError, StoppedError, UsageError
from segkit.foundation.files import check_writable, read_json, write_json
from segkit.foundation.hashing import value_hash
from segkit.foundation.strangers import load_json
from segkit.foundation.suggestions import some_of
from segkit.preparation.contents import content_of
from segkit.preparation.identical import together_by_content
from segkit.preparation.pipeline import attempted
from segkit.preparation.scans import Scan, read_reference, read_scan
from segkit.volumes.grid import as_3d
from segkit.volumes.reading import read_grid
from segkit.volumes.volume import Volume
from segkit.volumes.writing import write, write_mask

SPLITS = "splits_final.json"
RECORDS = ".converted"  # folder of what each case was converted from
VERSION = 1  # of what a conversion writes; a higher one does finished cases again
BYTES = 16  # of memory a voxel and channel: float32 as read, joined with the others, and being written


@dataclass(frozen=True, eq=False)
class Conversion:
    """What every case is converted with.

    Attributes:
        output: the folder.
        channels: by name, in order.
        labels: of the data set.
        numbered: those labels as nnU-Net has them.
        training: names of the cases that train; all others go to imagesTs.
    """

    output: Path
    channels: Mapping[str, Channel]
    labels: Labels
    numbered: Numbering
    training: frozenset[str]

    @property
    def settings(self) -> list[Any]:
        """What a case's files depend on beside their sources."""
        channels = [[name, asdict(channel)] for name, channel in self.channels.items()]
        return [VERSION, channels, list(self.labels.stored.items()), self.labels.in_colour, self.numbered.values]

    def images_of(self, case: Case) -> list[Path]:
        """Return the file of each array channel."""
        folder = self.output / (IMAGES if case.name in self.training else TEST_IMAGES)
        return [folder / f"{case.name}_{number:04d}{ENDING}" for number in range(total_width(self.channels))]

    def reference_of(self, case: Case) -> Path | None:
        """Return the file of the reference; None for a case without one."""
        folder = self.output / (LABELS if case.name in self.training else TEST_LABELS)
        return None if case.reference is None else folder / f"{case.name}{ENDING}"

    def files_of(self, case: Case) -> list[Path]:
        """Return every file that a case becomes."""
        reference = self.reference_of(case)
        return [*self.images_of(case), *([reference] if reference else [])]


def write_nnunet(options: DatasetOptions, output: Path, workers: int | None) -> list[Path]:
    """Write a data set in nnU-Net's raw format; cases that are there already are not written again.

    Cases that are held out, or have no reference, become imagesTs. `splits_final.json` holds the folds; nnU-Net looks
    for it in its folder nnUNet_preprocessed.

    Args:
        options: the data set.
        output: folder, new or of an earlier conversion of the same data set.
        workers: processes; None: as many as cores and memory allow.

    Returns:
        the files that describe what was written.

    Raises:
        UsageError: when the folder holds other files, or nnU-Net cannot hold the labels.
        DataError: when the data set has no case to train on.
        CasesFailedError: when cases could not be converted, each named in a line; the others were.
    """
    dataset = open_dataset(options)
    cases = list(dataset.cases.values())
    held_out, folds = folds_of(dataset, workers)
    training = frozenset(case.name for case in cases if case.reference is not None) - frozenset(held_out)
    conversion = Conversion(output, dataset.channels, dataset.labels, numbering(dataset.labels), training)
    check_own(conversion, cases)
    check_writable(output / RECORDS)
    for name in (FILE, SPLITS):  # they stand for a whole data set, which this is at the end
        (output / name).unlink(missing_ok=True)
    done, failed = attempted(
        partial(convert_case, conversion=conversion),
        cases,
        workers=workers,
        what="converting cases",
        bytes_each=PROCESS + max(memory_of(case, conversion.channels) for case in cases),
    )
    if reused := sum(not written for written in done.values()):
        say(f"{reused} of {len(cases)} cases were there already, converted from these files")
    written: dict[str, Any] = {
        FILE: described(options.name, dataset.channels, conversion.numbered, len(training & done.keys()))
    }
    written |= {SPLITS: [fold_without(fold, failed) for fold in folds]} if folds else {}
    for name, content in written.items():
        write_json(output / name, content)
    if failed:
        names = some_of(sorted(failed))
        raise CasesFailedError(f"{len(failed)} of {len(cases)} cases could not be converted: {names}")
    return [output / name for name in written]


def folds_of(dataset: Dataset, workers: int | None) -> tuple[tuple[str, ...], list[Split]]:
    """Return the held-out cases and the folds of the others; no folds where there are too few cases.

    Raises:
        DataError: when nothing is left to train on, or a recorded split does not fit.
    """
    cases, options = list(dataset.cases.values()), dataset.options.split
    strata = strata_by_labels(cases, dataset.labels, options.stratify_by, workers)
    split = partial(split_cases, cases, options, together=together_by_content(cases), strata=strata)
    if options.file:
        folds = [split(fold=str(fold)) for fold in range(recorded_folds(Path(options.file)))]
        return (folds[0].held_out, folds) if folds else ((), [])
    entire = split(fold=ALL)
    folds = []
    try:
        for fold in range(count_of(options, entire)):
            folds.append(split(fold=str(fold)))
    except DataError as reason:
        if not folds:  # else these were all: leave-one-out leaves out one group at a time
            say(f"no {SPLITS}: {reason}")
    return entire.held_out, folds


def count_of(options: SplitOptions, entire: Split) -> int:
    """Return the number of folds, or for leave-one-out the most there can be."""
    return options.folds if isinstance(options.folds, int) else len(entire.training)


def recorded_folds(path: Path) -> int:
    """Return how many folds a split holds that was made before.

    Raises:
        DataError: when it cannot be read.
    """
    found = load_json(path)
    return len(found) if isinstance(found, list) else 1


def fold_without(fold: Split, failed: Sequence[str]) -> dict[str, list[str]]:
    """Return a fold as nnU-Net writes it, without the cases that could not be converted."""
    parts = {"train": fold.training, "val": fold.validation}
    return {part: [name for name in names if name not in failed] for part, names in parts.items()}


def check_own(conversion: Conversion, cases: Sequence[Case]) -> None:
    """Make sure that the folder holds nothing beside what this conversion, or an earlier one like it, writes.

    Raises:
        UsageError: naming the file: of the data set itself, of another one, or of another split, where it would train
            or test unseen.
    """
    output = conversion.output
    own = {path for case in cases for path in conversion.files_of(case)}
    places = [place for case in cases for place in (*case.images.values(), case.reference) if place]
    sources = {place.resolve() for place in places if isinstance(place, Path)}
    if any(path.resolve() in sources for path in own):
        raise UsageError(f"output={output} is the folder of the data set itself: choose another one")
    if (output / FILE).exists() and not (output / RECORDS).is_dir():
        raise UsageError(f"output={output} holds a data set that segkit did not write: choose another folder")
    for folder in (output / name for name in (IMAGES, LABELS, TEST_IMAGES, TEST_LABELS)):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path not in own and not path.name.startswith("."):
                raise UsageError(
                    f"output={output} holds {folder.name}/{path.name}, which is no part of this data set and split: "
                    "remove it, or choose another folder"
                )


def convert_case(case: Case, conversion: Conversion) -> bool:
    """Write the files of one case, unless they are there and were made of the same files and settings.

    A case that fails leaves nothing behind, so that images and labels always belong together.

    Returns:
        whether they were written.

    Raises:
        DataError: when a file is missing or cannot be used.
        GeometryError: when images and reference do not share one grid.
    """
    record = conversion.output / RECORDS / f"{case.name}.json"
    files = conversion.files_of(case)
    try:
        key = value_hash([conversion.settings, content_of(case, conversion.channels)])
        if all(path.is_file() for path in files) and record_of(record) == key:
            return False
        record.unlink(missing_ok=True)
        write_case(case, conversion)
    except StoppedError:
        raise
    except Exception:
        for path in (record, *files):
            path.unlink(missing_ok=True)
        raise
    write_json(record, key)
    return True


def write_case(case: Case, conversion: Conversion) -> None:
    """Write one file for each array channel, and the reference renumbered, all on the first channel's grid."""
    scan = read_scan(case.images, conversion.channels)
    classes = None if case.reference is None else read_reference(case.reference, scan.grid, conversion.labels)
    like = volume_of(scan)
    for channel, path in zip(scan.array, conversion.images_of(case), strict=True):
        write(like.with_array(np.asarray(channel)[None]), path)
    reference = conversion.reference_of(case)
    if classes is not None and reference is not None:
        write_mask(conversion.numbered.values[classes], like, reference)


def record_of(path: Path) -> str | None:
    """Return what a case was converted from; None where that is not known."""
    try:
        return str(read_json(path))
    except (OSError, SegkitError):
        return None


def volume_of(scan: Scan) -> Volume:
    """Return a volume on the scan's 3D grid; of a volume its own, with the header that its NIfTI file had."""
    if scan.first.grid.dims == scan.grid.dims:
        return scan.first
    return Volume(scan.array, as_3d(scan.first.grid))


def memory_of(case: Case, channels: Mapping[str, Channel]) -> int:
    """Return the bytes that converting a case takes at most; 0 where its header cannot be read."""
    try:
        shape = read_grid(next(iter(case.images.values()))).shape
    except Exception:  # noqa: BLE001  (whoever converts the case says what is wrong with it)
        return 0
    return BYTES * prod(shape) * (total_width(channels) + 1)
