"""A mask as NIfTI, compressed."""

from __future__ import annotations

from segkit.inference.exporters import Exporter
from segkit.inference.exporters._volumes import write_volume

EXPORTER = Exporter("nifti", ".nii.gz", write_volume, of="nifti")
