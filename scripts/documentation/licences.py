"""The licence of each direct dependency, as its installed metadata tells."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
UNKNOWN = "unknown"
# Words of licences that would bind who shares segkit with them. The LGPL does not: its libraries are imported.
COPYLEFT = re.compile(r"\bA?GPL|(?<!Lesser )General Public|\bSSPL|\bEUPL|\bCC-BY-(NC|SA)", re.IGNORECASE)


def direct() -> dict[str, str]:
    """Return each direct dependency with the extra that brings it, "" for the core."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    found: dict[str, str] = {}
    for extra, lines in groups.items():
        for line in lines:
            found.setdefault(re.split(r"[\[<>=;~! ]", line, maxsplit=1)[0], extra)
    return found


def licence(package: str) -> str | None:
    """Return the licence that a package declares, in a few words; None where it is not installed."""
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    classified = [
        line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or [] if line.startswith("License :: ")
    ]
    classified = [each for each in classified if each != "OSI Approved"]
    said = [
        *(metadata.get_all("License-Expression") or []),
        "; ".join(classified),
        *(metadata.get_all("License") or []),
    ]
    return next((text.strip().splitlines()[0] for text in said if text.strip()), UNKNOWN)


def is_copyleft(text: str) -> bool:
    """Say whether a licence would bind who passes segkit on together with the package."""
    return bool(COPYLEFT.search(text))


def page() -> str:
    """Return the page of the licences."""
    rows = [(name, extra or "always", licence(name) or "not installed here") for name, extra in direct().items()]
    return "\n".join(
        [
            "# Licences",
            "",
            "segkit is under the Apache License 2.0. What it stands on, as the packages' own metadata say;",
            "a test refuses a direct dependency of unknown licence, or of one that binds who shares segkit.",
            "",
            "| package | comes with | licence |",
            "|---|---|---|",
            *(f"| `{name}` | {comes} | {text.replace('|', '/')} |" for name, comes, text in rows),
            "",
        ]
    )


if __name__ == "__main__":
    print(page())
