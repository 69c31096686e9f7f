"""`patches.html`: the first patches of a training, as `segkit inspect` draws them, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segkit.reports.cohort_charts import intensity_chart
from segkit.reports.contact_sheet import Tile, planes_of
from segkit.reports.dataset_page import BINS, histogram_path
from segkit.reports.html import write_page
from segkit.reports.pictures import label_colours, picture_url

LEVELS = (1, 50, 99)  # percentiles
PLANES = ("across the third axis", "across the second axis", "across the first axis")


def write_patches_page(tiles: Sequence[Tile], names: Sequence[str], dataset: str, path: Path) -> None:
    """Write the page.

    Args:
        tiles: the patches, in the order of the training.
        names: of the stored classes from 1 on.
        dataset: its name.
        path: of the page.
    """
    shown = []
    for tile in tiles:
        counts, edges = np.histogram(tile.image, BINS)
        inside = [(name, int((tile.classes == number).sum())) for number, name in enumerate(names, start=1)]
        shown.append(
            {
                "name": tile.title,
                "planes": [(what, picture_url(plane)) for what, plane in zip(PLANES, planes_of(tile), strict=False)],
                "histogram": histogram_path(counts.tolist()),
                "range": f"{edges[0]:.3g} to {edges[-1]:.3g}",
                "grid": " × ".join(map(str, tile.image.shape)) + " voxels",
                "volumes": [(name, f"{100 * count / tile.classes.size:.1f}%") for name, count in inside],
                "findings": (),
                "worst": "none",
            }
        )
    levels = np.array([np.percentile(tile.image, LEVELS) for tile in tiles])
    drawing = intensity_chart("the patches", levels, [tile.title for tile in tiles])
    labelled = sum(bool((tile.classes > 0).any()) for tile in tiles)
    write_page(
        path, "patches.html", name=dataset, subtitle=f"{len(tiles)} patches; {labelled} of them hold a label",
        legend=list(zip(names, label_colours(len(names)), strict=False)), tiles=shown,
        drawings=[drawing] if drawing else [],
    )  # fmt: skip
