"""A mask as MetaImage, header and voxels in one file."""

from __future__ import annotations

from segkit.inference.exporters import Exporter
from segkit.inference.exporters._volumes import write_volume

EXPORTER = Exporter("metaimage", ".mha", write_volume, of="metaimage")
