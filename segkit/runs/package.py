"""A package: one or several models and their card in one file that can be handed on, `FILE.segkit`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from segkit.foundation.archives import ArchiveFolder, write_archive
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import atomic_file
from segkit.foundation.plain import to_yaml
from segkit.foundation.strangers import checked_members
from segkit.runs.model_file import PREVIOUS, RECORD, WEIGHTS, ModelFolder, ModelRecord

SUFFIX = ".segkit"
CARD, MODEL = "README.md", "model"  # the latter is the folder of a run's model
_PREVIOUS = re.compile(PREVIOUS.format(r"\d{1,2}/"))
_NAME = re.compile(
    rf"{re.escape(CARD)}|(?:model_\d{{1,3}}/)?(?:{_PREVIOUS.pattern})?(?:{re.escape(WEIGHTS)}|{re.escape(RECORD)})"
)


def write_package(output: Path, models: Sequence[Path], card: str, records: Sequence[ModelRecord] = ()) -> None:
    """Write a package; the same models and card give the same bytes.

    Args:
        output: the file, replaced where it exists.
        models: `model/` folders; several are an ensemble.
        card: markdown, the model's own README.
        records: of the models, where they bear what the folds of a study learnt together; else their own.
    """
    members: dict[str, str | Path] = {CARD: card}
    for number, folder in enumerate(models, start=1):
        prefix = "" if len(models) == 1 else f"model_{number}/"
        for place in (folder, *sorted(folder.glob(PREVIOUS.format("*")))):
            inside = prefix if place == folder else f"{prefix}{place.name}/"
            members |= {inside + name: place / name for name in (WEIGHTS, RECORD)}
        if records:
            members[prefix + RECORD] = to_yaml(asdict(records[number - 1]))
    with atomic_file(output) as temporary:
        write_archive(temporary, members)


def models_in(path: Path) -> list[ModelFolder]:
    """Return the models at a place: that of a run folder, a model folder itself, or those of a package.

    A package is a stranger's file: its table is checked, and nothing in it is unpacked onto the disk.

    Raises:
        DataError: when a package is damaged, or holds anything but models and their card.
    """
    if not path.is_file():
        return [path / MODEL if (path / MODEL).is_dir() else path]
    sizes = checked_members(path, lambda name: _NAME.fullmatch(name) is not None)
    own = [name for name in sizes if name != CARD and not _PREVIOUS.search(name)]
    prefixes = {name.removesuffix(WEIGHTS).removesuffix(RECORD) for name in own}
    if not prefixes:
        raise DataError(f"{path} is no model of segkit: it holds no {RECORD}")
    # As they were numbered when it was packed: model_2 before model_10.
    return [ArchiveFolder(path, prefix, sizes) for prefix in sorted(prefixes, key=lambda prefix: (len(prefix), prefix))]


def check_is_run(path: Path, *, instead: str) -> None:
    """Refuse a package where a run folder is needed: it knows no data set and no cases.

    Args:
        path: what was given as the run.
        instead: what to pass, for the message.

    Raises:
        UsageError: when the path is a file.
    """
    if path.is_file():
        raise UsageError(f"{path} is a packaged model and no run folder: it knows no cases; {instead}")
