"""A mask as TIFF."""

from __future__ import annotations

from segkit.inference.exporters import Exporter
from segkit.inference.exporters._volumes import write_volume

EXPORTER = Exporter("tiff", ".tif", write_volume, of="tiff")
