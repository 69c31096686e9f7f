"""Where conf/ lies, and which groups and choices it offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from segkit.foundation.errors import DataError, UsageError, reason_of_system
from segkit.foundation.files import read_yaml
from segkit.foundation.suggestions import did_you_mean, listed

Sources = tuple[Path, ...]


def conf_folder() -> Path:
    """Return segkit's own conf/: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def config_sources(config_dirs: Iterable[str | Path] = ()) -> Sources:
    """Return the folders that hold configs, the user's first; the first that has a file wins.

    Raises:
        UsageError: when one of the user's is not a folder.
    """
    folders = []
    for folder in map(Path, config_dirs):
        if not folder.is_dir():
            raise UsageError(f"--config-dir: there is no folder {folder}")
        folders.append(folder.absolute())
    return (*folders, conf_folder())


def find_config(sources: Sources, name: str) -> Path | None:
    """Return the file of a config such as `train` or `data/hippocampus`; None when no source has it."""
    paths = (source / f"{name.removesuffix('.yaml')}.yaml" for source in sources)
    return next((path for path in paths if path.is_file()), None)


def choices(sources: Sources, group: str) -> list[str]:
    """Return what a group offers, sorted; choices in sub-folders as `clinic/site_a`, without the bases (`_name`)."""
    found = {
        path.relative_to(source / group).with_suffix("").as_posix()
        for source in sources
        for path in (source / group).rglob("*.yaml")
        if not path.name.startswith("_")
    }
    return sorted(found)


def groups(sources: Sources, command: str) -> dict[str, str | None]:
    """Return the groups of a command with the choice each starts from (`???`: must be chosen, None: nothing).

    Raises:
        UsageError: when the command's yaml cannot be read.
    """
    found: dict[str, str | None] = {}
    for entry in read_defaults(sources, command):
        if isinstance(entry, str) and entry != "_self_":  # tune builds on train
            found |= groups(sources, entry)
        if isinstance(entry, dict):
            for group, choice in entry.items():
                if isinstance(group, str):
                    found[group.split()[-1].lstrip("/")] = choice
    return found


def read_defaults(sources: Sources, name: str) -> list[Any]:
    """Return the defaults list of a config, empty when it has none.

    Raises:
        UsageError: when its yaml cannot be read.
    """
    path = find_config(sources, name)
    if path is None:
        return []
    try:
        values = read_yaml(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {reason_of_system(error)}") from error
    except DataError as error:  # what the user's own folder holds is part of the call
        raise UsageError(str(error)) from error
    defaults = values.get("defaults") if isinstance(values, dict) else None
    return defaults if isinstance(defaults, list) else []


def unknown_choice(group: str, choice: object, offered: Sequence[str]) -> UsageError:
    """Return the error for a choice that a group does not offer."""
    return UsageError(
        f"{group}={choice}: there is no {group} of that name{did_you_mean(str(choice), offered) or ';'} "
        f"choices: {listed(offered)}"
    )


def not_chosen(group: str, offered: Sequence[str]) -> UsageError:
    """Return the error for a group that must be chosen and is not."""
    return UsageError(f"{group} is not chosen: pass {group}=NAME; choices: {listed(offered)}")
