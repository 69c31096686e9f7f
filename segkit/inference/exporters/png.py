"""A mask as PNG; of a picture only."""

from __future__ import annotations

from segkit.inference.exporters import Exporter
from segkit.inference.exporters._volumes import write_volume

EXPORTER = Exporter("png", ".png", write_volume, of="picture")
