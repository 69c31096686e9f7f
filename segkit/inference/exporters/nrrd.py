"""A mask as NRRD."""

from __future__ import annotations

from segkit.inference.exporters import Exporter
from segkit.inference.exporters._volumes import write_volume

EXPORTER = Exporter("nrrd", ".nrrd", write_volume, of="nrrd")
