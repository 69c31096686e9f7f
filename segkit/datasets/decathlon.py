"""The Medical Segmentation Decathlon: a folder a task, described by its `dataset.json`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segkit.datasets.case import PART, TEST, Case, Description, Layout
from segkit.datasets.dataset_json import (
    FILE,
    channel_names,
    channels_as_written,
    check_unique,
    declared_labels,
    family_of,
    path_inside,
    read_description,
)
from segkit.datasets.decathlon_download import HOME, download_task
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.suggestions import did_you_mean, listed
from segkit.volumes.reading import stem

TASKS = (
    *("Task01_BrainTumour", "Task02_Heart", "Task03_Liver", "Task04_Hippocampus", "Task05_Prostate"),
    *("Task06_Lung", "Task07_Pancreas", "Task08_HepaticVessel", "Task09_Spleen", "Task10_Colon"),
)


@dataclass(frozen=True)
class Decathlon(Layout):
    """`ROOT/Task04_Hippocampus/dataset.json` names images and references; one file holds all channels of a case.

    Attributes:
        root: folder of the tasks.
        task: folder of one task below it; None: `root` is the task's own folder.
        download: whether a task of the ten that is not there yet is downloaded.

    Source: Antonelli et al. 2022, Nature Communications 13, "The Medical Segmentation Decathlon".
    """

    root: str
    task: str | None = None
    download: bool = False

    def cases(self, channels: Iterable[str]) -> list[Case]:
        """Return the cases that the description lists, sorted by name; those of its test part have no reference.

        Raises:
            UsageError: when there is no such task.
            DataError: when the task is missing or its description cannot be used.
        """
        names, (description, where) = list(channels), self._description()
        found = []
        for entry in _entries(description, "training", where):
            image, label = (path_inside(where.parent, entry.get(key), where) for key in ("image", "label"))
            found.append(Case(stem(image), dict.fromkeys(names, image), label))
        for entry in _entries(description, "test", where):
            image = path_inside(where.parent, entry.get("image"), where)
            found.append(Case(stem(image), dict.fromkeys(names, image), None, {PART: TEST}))
        if not found:
            raise DataError(f"{where} lists no case")
        check_unique([case.name for case in found], str(where))
        return sorted(found, key=lambda case: case.name)

    def describe(self) -> Description:
        """Return channels and labels as `dataset.json` says."""
        description, where = self._description()
        written = channels_as_written(description, where)
        names = channel_names(description, where)
        channels = {name: family_of(word) for name, word in zip(names, written, strict=True)}
        return Description(channels, declared_labels(description, where))

    def _description(self) -> tuple[dict[str, Any], Path]:
        folder = Path(self.root, self.task) if self.task else Path(self.root)
        if self.task and not (folder / FILE).is_file():
            self._fetch(self.task, folder)
        return read_description(folder)

    def _fetch(self, task: str, folder: Path) -> None:
        if task not in TASKS and not folder.is_dir():
            raise UsageError(
                f"data.task={task}: there is no folder {folder}{did_you_mean(task, TASKS) or ';'} the Decathlon's "
                f"tasks: {listed(TASKS)}"
            )
        if task in TASKS and self.download:
            download_task(task, Path(self.root))
        elif task in TASKS and not folder.is_dir():
            raise DataError(
                f"there is no {folder}: pass data.download=true, or download the task from {HOME} and unpack it "
                f"in {self.root}"
            )


def _entries(description: dict[str, Any], part: str, where: Path) -> list[dict[str, Any]]:
    entries = description.get(part, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict | str) for entry in entries):
        raise DataError(f"{where}: {part} is not a list of files")
    return [{"image": entry} if isinstance(entry, str) else entry for entry in entries]
