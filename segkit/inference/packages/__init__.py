"""The forms in which a model is handed on: each module here declares one `PACKAGE`, found by scanning."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from segkit.foundation.errors import UsageError
from segkit.runs.model_card import Statement

if TYPE_CHECKING:
    from segkit.inference.model import Model

ENTRY_POINTS = "segkit.packages"


@dataclass(frozen=True)
class Packing:
    """What is packed.

    Attributes:
        model: loaded, on the CPU.
        folders: the `model/` folder of each of its networks.
        card: the model card, markdown.
        statement: what is said of it by hand; the card says it too.
    """

    model: Model
    folders: tuple[Path, ...]
    card: str
    statement: Statement


@dataclass(frozen=True)
class PackageFormat:
    """One form of a package.

    Attributes:
        suffix: of the output, lower case with the dot.
        write: writes what is packed to a path, whole or not at all.
    """

    suffix: str
    write: Callable[[Packing, Path], None]


@cache
def package_formats() -> dict[str, PackageFormat]:
    """Return every form by its suffix: the modules of this package, then those of third parties."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    own = [importlib.import_module(f"{__name__}.{name}").PACKAGE for name in names]
    theirs = [entry.load() for entry in entry_points(group=ENTRY_POINTS)]
    return {each.suffix: each for each in (*theirs, *own)}


def package_format(output: Path) -> PackageFormat:
    """Return the form that an output's suffix names.

    Raises:
        UsageError: when it names none.
    """
    found = package_formats().get(output.suffix.lower())
    if found is None:
        raise UsageError(f"output={output} names no form of a package: end the name in {' '.join(package_formats())}")
    return found


def only_network(packing: Packing, form: str) -> None:
    """Refuse an ensemble or a cascade where a form holds one network.

    Raises:
        UsageError: when there are several.
    """
    if packing.model.record.previous:
        raise UsageError(f"{form} holds one network, and a cascade is two stages: FILE.segkit holds both")
    if len(packing.folders) > 1:
        raise UsageError(f"{form} holds one network, and run names {len(packing.folders)}: pack each alone")
