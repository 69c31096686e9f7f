"""The `dataset.json` of the Decathlon and of nnU-Net: what a stranger's file says, its shape checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError
from segkit.foundation.strangers import load_json

FILE = "dataset.json"
FAMILIES = {"ct": "ct", "pet": "pet", "nonorm": "none"}  # nnU-Net's words in small letters; all others are z-scored


def read_description(folder: Path) -> tuple[dict[str, Any], Path]:
    """Return what the `dataset.json` of a folder holds, and its path for errors.

    Raises:
        DataError: when it is missing, cannot be read or is no mapping.
    """
    path = folder / FILE
    if not path.is_file():
        raise DataError(f"there is no {FILE} in {folder}: name the folder that holds it")
    found = load_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path} is no description of a data set: it holds no mapping")
    return found, path


def channel_names(description: dict[str, Any], where: Path) -> list[str]:
    """Return the channels in order, each name unique: `{"0": "T1", "1": "T1"}` gives T1 and T1_2.

    Raises:
        DataError: when neither `channel_names` nor `modality` numbers them from 0.
    """
    names = channels_as_written(description, where)
    unique: list[str] = []
    for name in names:
        spellings = chain([name], (f"{name}_{number}" for number in count(2)))
        unique.append(next(spelling for spelling in spellings if spelling not in unique))
    return unique


def channels_as_written(description: dict[str, Any], where: Path) -> list[str]:
    """Return the channels in order, as the file calls them.

    Raises:
        DataError: as `channel_names`.
    """
    declared = description.get("channel_names", description.get("modality"))
    wanted = [str(number) for number in range(len(declared))] if isinstance(declared, dict) else []
    names = [declared.get(number) for number in wanted] if isinstance(declared, dict) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise DataError(f'{where}: channel_names (or modality) is not a mapping such as {{"0": "T1", "1": "T2"}}')
    return [name for name in names if name]


def family_of(name: str) -> str:
    """Return the intensity family of a channel by its name there."""
    return FAMILIES.get(name.casefold(), "mr")


def declared_labels(description: dict[str, Any], where: Path) -> dict[str, int | list[int]]:
    """Return labels as `data.labels` declares them.

    Args:
        description: whose `labels` are `{"0": "background", "1": "liver"}` (Decathlon, nnU-Net 1) or
            `{"background": 0, "liver": 1, "whole": [1, 2]}` (nnU-Net 2).
        where: the file, for errors.

    Raises:
        DataError: when they are neither.
    """
    labels = description.get("labels")
    if not isinstance(labels, dict) or not labels:
        raise DataError(f"{where}: labels is not a mapping of names and values")
    if all(name.isdecimal() and isinstance(value, str) and not value.isdecimal() for name, value in labels.items()):
        members: dict[str, list[int]] = {}
        for value, name in labels.items():
            members.setdefault(name, []).append(int(value))
    else:
        members = {name: _values(value, f"{where}: labels.{name}") for name, value in labels.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in members.items()}


def _values(value: Any, where: str) -> list[int]:
    values = value if isinstance(value, list) else [value]
    whole = [each for each in values if type(each) is int or (isinstance(each, str) and each.isdecimal())]
    if not values or len(whole) < len(values):
        raise DataError(f"{where} is {str(value)[:60]!r}, which is no number and no list of numbers")
    return [int(each) for each in whole]


def path_inside(folder: Path, text: Any, where: Path, *, anywhere: bool = False) -> Path:
    """Return the path that a description names.

    Args:
        folder: of the description; what it names is relative to it.
        text: as it stands there.
        where: the file, for errors.
        anywhere: whether it may lead out of the folder.

    Raises:
        DataError: when it is no path, or leaves the folder without being allowed to.
    """
    if not isinstance(text, str) or not text or "\0" in text:
        raise DataError(f"{where} names {str(text)[:60]!r}, which is no path")
    path = Path(os.path.normpath(folder / text))
    if not anywhere and not path.is_relative_to(os.path.normpath(folder)):
        raise DataError(f"{where} names {text}, which leaves the folder of the data set")
    return path


def check_unique(names: Sequence[str], where: str) -> None:
    """Refuse two cases of one name, and names that could not be a file's.

    Raises:
        DataError: naming the first.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{where} has two cases called {name}; a case name must be unique")
        if not name.strip() or name.startswith(".") or set(name) & set("/\\\0"):
            raise DataError(f"{where} calls a case {name!r}, which cannot be the name of a file")
        seen.add(name)
