"""`FILE.segkit`: models as they are, and their card, for segkit anywhere."""

from __future__ import annotations

from pathlib import Path

from segkit.inference.packages import PackageFormat, Packing
from segkit.runs.package import SUFFIX, write_package


def write(packing: Packing, output: Path) -> None:
    """Write a package."""
    write_package(output, packing.folders, packing.card, packing.model.records)


PACKAGE = PackageFormat(suffix=SUFFIX, write=write)
