"""What a run stands on, recorded when it begins and held to when it goes on: plan, split, and every file's sha256."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from segkit.commands.preparing import Decided, Study
from segkit.config.commands import TrainConfig
from segkit.config.plan import plan_from
from segkit.datasets.splits import split_from
from segkit.foundation.errors import DataError
from segkit.foundation.files import write_json, write_yaml
from segkit.foundation.strangers import load_json, load_yaml
from segkit.preparation.contents import content_hash, hashes
from segkit.runs.folder import RunFolder
from segkit.runs.model_file import SEEN_DIGITS


def recorded_decisions(folder: RunFolder, config: TrainConfig) -> Decided | None:
    """Return the plan and split of a run that goes on, None where it has not come so far.

    Raises:
        DataError: when they cannot be read, or the plan holds other transforms than the config.
    """
    if not (folder.is_run and folder.cases.exists()):
        return None
    plan = plan_from(load_yaml(folder.plan), where=str(folder.plan))
    # The config's transforms were typed by the user, or checked as a stranger's; the plan's were not.
    typed = (config.preprocessing.on_scan or [], config.preprocessing.transforms)
    if (list(plan.on_scan), list(plan.transforms)) != typed:
        raise DataError(f"{folder.plan} holds other transforms than {folder.config}; restore it, or start a new run")
    return Decided(plan, split_from(load_json(folder.split), where=str(folder.split)))


def record_study(folder: RunFolder, config: TrainConfig, overrides: list[str], study: Study) -> None:
    """Write what a run stands on; the list of files comes last and tells that the rest is there."""
    write_yaml(folder.overrides, overrides)
    # Complete: what the data set's own files say of channels and labels stands in it.
    # Where an earlier stage's masks lie follows from the run folder, which may move.
    write_yaml(folder.config, asdict(replace(config, data=replace(study.dataset.options, previous=None))))
    write_yaml(folder.plan, asdict(study.plan))
    write_json(folder.split, asdict(study.split))
    write_json(folder.cases, files_of(study))


def files_of(study: Study) -> dict[str, dict[str, dict[str, str]]]:
    """Return, for each case that trains or validates, its files by role with their sha256."""
    files = {}
    for name in study.prepared:
        case = study.dataset.cases[name]
        paths = {**case.images, "reference": case.reference, "previous": case.previous}
        files[name] = {role: {"file": str(paths[role]), "sha256": sha256} for role, sha256 in hashes(case).items()}
    return files


def seen_by(study: Study) -> list[str]:
    """Return the beginning of the sha256 of each scan that trains, sorted."""
    cases = [study.dataset.cases[name] for name in study.split.training]
    return sorted({content_hash(image)[:SEEN_DIGITS] for case in cases for image in case.images.values()})


def check_same_files(folder: RunFolder, study: Study) -> None:
    """Make sure that a run goes on with the very files that it began with.

    Raises:
        DataError: naming the first case whose files have changed.
    """
    before = load_json(folder.cases)
    for name, files in files_of(study).items():
        recorded: Any = before.get(name, {}) if isinstance(before, dict) else {}
        for role, file in files.items():
            if recorded.get(role, {}).get("sha256") != file["sha256"]:
                raise DataError(
                    f"{file['file']} ({role} of {name}) is not the file that the run in {folder.path} began with; "
                    "restore it, or start a new run"
                )
