"""What a command left, so that two honest runs leave the same."""

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

# What tells of times, and differs between two honest runs.
UNSTEADY = re.compile(r"seconds: [\d.]+")
NOT_COMPARED = (
    "used.json",
    "log.txt",
    "output.txt",
    "environment.json",
    "status.json",
    "progress.png",
    "worst.png",
    "predictions.parquet",
    ".lock",
)
NO_OUTPUT = ("said.txt",)


def contents(folder: Path, makes: Sequence[str]) -> dict[str, str]:
    """Return a hash of each file below what a command makes, without what differs between two honest runs."""
    made = [path for name in makes for path in [folder / name, *sorted((folder / name).rglob("*"))]]
    return {path.relative_to(folder).as_posix(): _steady(path, folder) for path in made if _is_output(path)}


def litter(folder: Path, whole: Path) -> list[str]:
    """Return the files of a folder that uninterrupted commands would not have left."""
    here, there = (
        {path.relative_to(root).as_posix() for path in root.rglob("*") if _is_output(path)} for root in (folder, whole)
    )
    return sorted(here - there - {*NO_OUTPUT})


def _is_output(path: Path) -> bool:
    return path.is_file() and path.parent.name != "in_use"  # a mark for each process, which the next one removes


def _steady(path: Path, folder: Path) -> str:
    if path.name in NOT_COMPARED or path.suffix == ".ckpt":
        return "there"
    content = path.read_bytes()
    if path.suffix in (".json", ".yaml", ".csv"):
        text = UNSTEADY.sub("", content.decode()).replace(str(folder), "")
        if path.suffix == ".json":  # cases may stand in the order in which they were done
            text = json.dumps(json.loads(text, object_hook=_without_times), sort_keys=True)
        if path.name == "metrics.csv":
            steps = [row.split(",") for row in text.splitlines()]
            text = json.dumps([[row[0], *row[2:3]] for row in steps])
        content = text.encode()
    return hashlib.sha256(content).hexdigest()[:16]


def _without_times(values: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name != "seconds"}
