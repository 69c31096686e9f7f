"""Writes the reliability diagram as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from segkit.evaluation.calibration import Reliability
from segkit.foundation.files import write_text

COLUMNS = ("label", "from", "to", "voxels", "mean_probability", "frequency")


def write_reliability(reliability: Mapping[str, Reliability], path: Path) -> Path:
    """Write a line per label and bin of probability, over the voxels of all cases, whole or not at all.

    Args:
        reliability: label -> its voxels by probability.
        path: of the CSV.

    Returns:
        `path`. `frequency` is the share of the bin's voxels to which the reference gives the label; it and
        `mean_probability` are empty where a bin is.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label, bins in reliability.items():
        for at, voxels in enumerate(bins.voxels.tolist()):
            ends = (at / len(bins.voxels), (at + 1) / len(bins.voxels))
            means = (float(bins.confident[at]) / voxels, int(bins.true[at]) / voxels) if voxels else ("", "")
            writer.writerow((label, *ends, voxels, *means))
    write_text(path, text.getvalue())
    return path
