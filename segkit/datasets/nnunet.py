"""nnU-Net's raw data sets: imagesTr/NAME_0000.nii.gz, labelsTr/NAME.nii.gz and a `dataset.json`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.config.labels import IGNORE
from segkit.datasets.case import PART, TEST, Case, Description, Layout
from segkit.datasets.channel_files import NUMBERED
from segkit.datasets.dataset_json import (
    channel_names,
    channels_as_written,
    check_unique,
    declared_labels,
    family_of,
    path_inside,
    read_description,
)
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import did_you_mean, listed

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = "imagesTr", "labelsTr", "imagesTs", "labelsTs"
RGB = "RGB"
COLOURS = (("r", "g", "b"), ("red", "green", "blue"), ("rgb_to_0_1",) * 3, ("rescale_to_rgb",) * 3)


@dataclass(frozen=True)
class NnUNetRaw(Layout):
    """A folder of nnU-Net's raw format, version 2 (also 1): imagesTr, labelsTr, imagesTs, `dataset.json`.

    Attributes:
        root: the folder.
        anywhere: whether the files which a `dataset` mapping in `dataset.json` names may lie outside the folder.

    Source: MIC-DKFZ/nnUNet, documentation/dataset_format.md, region_based_training.md and ignore_label.md.
    """

    root: str
    anywhere: bool = False

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return the cases of both parts, sorted by name; test cases have a reference where `labelsTs` exists.

        Raises:
            UsageError: when a channel is none of those in `dataset.json`.
            DataError: when the description or the folders cannot be used.
        """
        description, where = read_description(Path(self.root))
        names = list(channels)
        numbers = self._numbers(names, description, where)
        if "dataset" in description:
            found = self._listed(description["dataset"], names, numbers, where)
        else:
            found = self._in_folders(IMAGES, LABELS, names, numbers, _ending(description, where))
        if Path(self.root, TEST_IMAGES).is_dir():
            tests = self._in_folders(TEST_IMAGES, TEST_LABELS, names, numbers, _ending(description, where))
            found += [Case(case.name, case.images, case.reference, {PART: TEST}) for case in tests]
        if not found:
            raise DataError(f"{self.root} holds no case: its {IMAGES} is empty")
        check_unique([case.name for case in found], str(self.root))
        return sorted(found, key=lambda case: case.name)

    def describe(self) -> Description:
        """Return channels, labels and regions as `dataset.json` says.

        Raises:
            DataError: when it cannot be read, or has regions without their order.
        """
        description, where = read_description(Path(self.root))
        written = channels_as_written(description, where)
        names = self._names(description, where)
        channels = {name: family_of(word) for name, word in zip(names, written, strict=False)}
        labels = declared_labels(description, where)
        is_regions = any(isinstance(values, list) for name, values in labels.items() if name != IGNORE)
        order = description.get("regions_class_order")
        if is_regions and not (isinstance(order, list) and all(type(value) is int for value in order)):
            raise DataError(f"{where}: labels are regions, and regions_class_order is not a list of their values")
        return Description({RGB: "rgb"} if names == [RGB] else channels, labels, order if is_regions else None)

    def _names(self, description: dict[str, Any], where: Path) -> list[str]:
        """Return the channels; the three colours of pictures, each in one file, are a single one."""
        written = tuple(word.casefold() for word in channels_as_written(description, where))
        if written in COLOURS and "dataset" not in description:
            files = _numbered(Path(self.root, IMAGES), _ending(description, where))
            if all(number == 0 for _, number in files):
                return [RGB]
        return channel_names(description, where)

    def _numbers(self, wanted: Sequence[str], description: dict[str, Any], where: Path) -> list[int]:
        """Return the number of each channel: by its name there, or by its place where all are named anew."""
        known = self._names(description, where)
        if all(name in known for name in wanted):
            return [known.index(name) for name in wanted]
        if len(wanted) == len(known):
            return list(range(len(known)))
        name = next(name for name in wanted if name not in known)
        raise UsageError(
            f"data.channels: {name} is none of the channels of {where}{did_you_mean(name, known)}; they are "
            f"{listed(known)}"
        )

    def _in_folders(
        self, images: str, labels: str, names: Sequence[str], numbers: Sequence[int], ending: str
    ) -> list[Case]:
        folder, references = Path(self.root, images), Path(self.root, labels)
        files = _numbered(folder, ending)
        known = {case for case, _ in files} | set(_labelled(references, ending))
        # Pictures hold their colours, and 4D files their channels, in the one file NAME_0000.
        is_shared = bool(files) and all(number == 0 for _, number in files)
        is_promised = images == IMAGES or references.is_dir()
        return [
            Case(
                case,
                {
                    name: folder / f"{case}_{0 if is_shared else number:04d}{ending}"
                    for name, number in zip(names, numbers, strict=True)
                },
                references / f"{case}{ending}" if is_promised else None,
            )
            for case in sorted(known)
        ]

    def _listed(self, listing: Any, names: Sequence[str], numbers: Sequence[int], where: Path) -> list[Case]:
        """Return the cases of the mapping that may stand in for imagesTr and labelsTr."""
        if not isinstance(listing, dict) or not all(isinstance(entry, dict) for entry in listing.values()):
            raise DataError(f"{where}: dataset is not a mapping of case names to images and label")
        cases = []
        for case, entry in listing.items():
            texts = entry.get("images")
            if not isinstance(texts, list) or (len(texts) != 1 and len(texts) <= max(numbers)):
                raise DataError(f"{where}: dataset.{case}.images is not a list of one file a channel")
            files = [path_inside(where.parent, text, where, anywhere=self.anywhere) for text in texts]
            paths = {name: files[0 if len(files) == 1 else number] for name, number in zip(names, numbers, strict=True)}
            cases.append(
                Case(case, paths, path_inside(where.parent, entry.get("label"), where, anywhere=self.anywhere))
            )
        return cases


def _ending(description: dict[str, Any], where: Path) -> str:
    ending = description.get("file_ending", ".nii.gz")  # which version 1 took for granted
    if not isinstance(ending, str) or not ending.startswith(".") or "/" in ending:
        raise DataError(f"{where}: file_ending is {str(ending)[:60]!r}, not a suffix such as .nii.gz")
    return ending


def _numbered(folder: Path, ending: str) -> list[tuple[str, int]]:
    """Return case and channel number of each image in a folder.

    Raises:
        DataError: when there is no folder, or a file with this ending is not called NAME_0000.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(ending) and not path.name.startswith("."):
            match = NUMBERED.fullmatch(path.name.removesuffix(ending))
            if match is None:
                raise DataError(f"{path} is not called NAME_0000{ending}, the number being that of its channel")
            found.append((match[1], int(match[2])))
    return found


def _labelled(folder: Path, ending: str) -> list[str]:
    files = folder.iterdir() if folder.is_dir() else ()
    return [
        path.name.removesuffix(ending)
        for path in files
        if path.name.endswith(ending) and not path.name.startswith(".") and path.name != ending
    ]
