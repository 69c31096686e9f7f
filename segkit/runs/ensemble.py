"""`ensemble.json`: the runs of a study that make one model together, and the postprocessing they learnt together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from segkit.config.rules import Rules, plain_rules, rules_from
from segkit.foundation.errors import DataError, UsageError
from segkit.foundation.files import write_json
from segkit.foundation.strangers import load_json

NAME = "ensemble.json"


@dataclass(frozen=True)
class Ensemble:
    """Runs whose predictions are averaged.

    Attributes:
        members: run folders.
        rules: of postprocessing, learnt on the cases of all folds, each predicted by the run that did not see it.
        dice: mean Dice over these cases; None where it was not scored.
    """

    members: tuple[Path, ...]
    rules: Rules = field(default_factory=dict)
    dice: float | None = None


@dataclass(frozen=True)
class _Record:
    study: str
    members: list[str]
    postprocessing: dict[str, Any]
    dice: float | None


def write_ensemble(folder: Path, study: Path, ensemble: Ensemble) -> Path:
    """Write an ensemble into a folder of its study, or into the study's own; returns the file."""
    # Members are named from the study's folder, so that a study may be moved or copied as a whole.
    depth = "/".join([".."] * len(folder.relative_to(study).parts)) or "."
    record = _Record(depth, [member.name for member in ensemble.members], plain_rules(ensemble.rules), ensemble.dice)
    write_json(folder / NAME, asdict(record))
    return folder / NAME


def is_ensemble(folder: Path) -> bool:
    """Say whether a folder names an ensemble."""
    return (folder / NAME).is_file()


def read_ensemble(folder: Path) -> Ensemble:
    """Read the ensemble of a study, which may be a stranger's: its members are folders of that study and no others.

    Raises:
        DataError: when it cannot be read, or is malformed.
    """
    path = folder / NAME
    found = load_json(path)
    members, study = (found.get("members"), found.get("study")) if isinstance(found, dict) else (None, None)
    if not isinstance(members, list) or not members or study not in (".", "..", "../.."):
        raise DataError(f"{path} names no ensemble: it lists no members")
    if not all(map(is_folder_name, members)):
        raise DataError(f"{path} names members that are no folders of the study")
    try:
        rules = rules_from(found.get("postprocessing") or {}, "postprocessing")
    except UsageError as error:
        raise DataError(f"{path}: {error}") from error
    dice = found.get("dice")
    home = folder.joinpath(study)
    runs = tuple((home / name) for name in members)
    return Ensemble(runs, rules, dice if isinstance(dice, float) else None)


def is_folder_name(name: Any) -> bool:
    """Say whether a value out of a file is the name of a folder that lies where the file says."""
    return isinstance(name, str) and name == Path(name).name and name not in ("", "..") and "\0" not in name


def runs_of(path: Path) -> list[Path]:
    """Return the run folders that make the model of a run folder, which is itself, or of a study.

    Raises:
        DataError: when a study's record cannot be read.
    """
    return list(read_ensemble(path).members) if is_ensemble(path) else [path]
