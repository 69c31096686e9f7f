"""`check.html`: a data set on one page, in which a flipped reference or a swapped label is seen in a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED, Labels
from segkit.datasets.dataset import Dataset
from segkit.datasets.soundness import Examination, Finding
from segkit.datasets.soundness.findings import ERROR
from segkit.reports.cohort_charts import intensity_chart, scatter, volumes_chart
from segkit.reports.discretion import ANY_FOLDER
from segkit.reports.drawing import Drawing
from segkit.reports.html import write_page
from segkit.reports.looking import Places, Seen
from segkit.reports.pictures import contoured, label_colours, picture_url, plane_of, sized
from segkit.training.worst_case import reference_places
from segkit.volumes.grid import Grid, as_3d
from segkit.volumes.selection import without_folders

TILE = 168  # pixels of the longest side of a plane
BINS = 64
MOST_BYTES = 12_000_000  # of pictures in a page
WINDOW = (1.0, 99.0)


@dataclass(frozen=True)
class Sketch:
    """A case in small.

    Attributes:
        planes: what each shows, with its `data:` address.
        histogram: voxels by intensity, of equal bins.
        low: intensity at the start of the first bin, in the image's units.
        high: at the end of the last.
    """

    planes: tuple[tuple[str, str], ...]
    histogram: tuple[int, ...]
    low: float
    high: float

    @property
    def size(self) -> int:
        """Bytes in a page."""
        return sum(len(url) for _, url in self.planes)


def sketch(image: NDArray[Any], grid: Grid, values: NDArray[Any] | None, labels: Labels) -> Sketch:
    """Draw the planes through the middle of a case's labels, or its own, turned to the same sides as all others.

    Args:
        image: one channel, shape (C, X, Y[, Z]).
        grid: on which it lies.
        values: label values of the same shape; None: there are none.
        labels: what they mean; values that are not declared are left out.
    """
    whole = as_3d(grid)
    turn = nib.orientations.io_orientation(whole.affine)
    affine = whole.affine @ nib.orientations.inv_ornt_aff(turn, whole.shape)
    is_picture = grid.dims == 2
    parts = [np.nan_to_num(part.reshape(whole.shape), posinf=0, neginf=0) for part in image]
    drawn = None if values is None else places_of(values.reshape(whole.shape), labels)
    if is_picture:
        affine = whole.affine
    else:
        parts = [np.asarray(nib.orientations.apply_orientation(part, turn)) for part in parts]
        drawn = None if drawn is None else np.asarray(nib.orientations.apply_orientation(drawn, turn))
    seen = Seen(np.stack(parts), affine, drawn, None, {}, {}, is_picture)
    flat = seen.grey.reshape(-1)
    flat = flat[:: max(1, flat.size // 1_000_000)]
    low, high = (float(level) for level in np.percentile(flat, WINDOW))
    histogram, edges = np.histogram(flat, BINS, range=(float(flat.min()), float(flat.max())))
    centre = centre_of(drawn, seen.image.shape[1:])
    axes = [axis for axis in (2, 1, 0) if seen.image.shape[axis + 1] > 1 or is_picture][: 1 if is_picture else 3]
    planes = [sized(plane_of(seen, axis, centre[axis], (low, high)), TILE) for axis in axes or [2]]
    urls = tuple((plane.what, picture_url(contoured(plane.grey, plane.reference))) for plane in planes)
    return Sketch(urls, tuple(histogram.tolist()), float(edges[0]), float(edges[-1]))


def places_of(values: NDArray[Any], labels: Labels) -> Places:
    """Return places of labels from 1 on, 0 for whatever is no declared label."""
    classes = np.zeros(values.shape, np.uint8)
    for value, number in labels.stored.items():
        classes[values == value] = number
    return reference_places(classes, labels)


def centre_of(places: Places | None, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the middle voxel of what is labelled, else of all."""
    labelled = np.argwhere((places > 0) & (places != IGNORED)) if places is not None else np.empty((0, 3))
    if not len(labelled):
        return tuple(size // 2 for size in shape)
    return tuple(int(place) for place in np.median(labelled, axis=0))


def write_dataset_page(
    dataset: Dataset, examined: Sequence[Examination], findings: Sequence[Finding], path: Path
) -> None:
    """Write the page.

    Args:
        dataset: that was checked.
        examined: its cases.
        findings: all of them, errors first.
        path: of the page.
    """
    of_case: dict[str, list[dict[str, str]]] = {}
    for finding in findings:
        of_case.setdefault(finding.case, []).append(finding_row(finding))
    errors = sum(finding.severity == ERROR for finding in findings)
    labels = dataset.labels.foreground
    write_page(
        path,
        "dataset.html",
        name=dataset.options.name,
        subtitle=f"{len(examined)} cases · {errors} errors, {len(findings) - errors} warnings",
        findings=[{"case": finding.case or "(all)", **finding_row(finding)} for finding in findings],
        drawings=cohort_charts(examined, labels, list(dataset.channels)),
        legend=list(zip(labels, label_colours(len(labels)), strict=False)),
        tiles=tiles(examined, of_case),
        is_cut=sum(each.picture.size for each in examined if each.picture) > MOST_BYTES,
    )


def finding_row(finding: Finding) -> dict[str, str]:
    """Return what a page says of a finding: files by their names, since folders may name patients."""
    message = without_folders(finding.message, [Path(finding.file).parent] if finding.file else [])
    return {"severity": finding.severity, "code": finding.code, "message": ANY_FOLDER.sub("", message)}


def cohort_charts(examined: Sequence[Examination], labels: Sequence[str], channels: Sequence[str]) -> list[Drawing]:
    """Return the charts that put the cases beside one another."""
    names = [each.case.name for each in examined]
    measured = [each.measurements for each in examined]
    steps = np.array([each.spacing or (np.nan,) * 3 for each in measured])
    sizes = np.array([each.shape or (np.nan,) * 3 for each in measured])
    upward = sizes[:, 1 if (sizes[:, 2] == 1).all() else 2]  # of pictures, down
    drawings = [
        scatter("spacing", "Spacing", steps[:, :2].mean(axis=1), steps[:, 2], names, ("in plane [mm]", "across [mm]")),
        scatter("size", "Size", sizes[:, 0], upward, names, ("voxels across", "voxels along the last axis")),
    ]
    for channel in channels:
        levels = np.array([each.intensities.get(channel) or (np.nan,) * 3 for each in measured])
        drawings.append(intensity_chart(channel, levels, names))
    volumes = {label: np.array([each.volumes.get(label, np.nan) for each in measured]) for label in labels}
    drawings.append(volumes_chart(volumes, names))
    return [drawing for drawing in drawings if drawing is not None]


def tiles(examined: Sequence[Examination], findings: Mapping[str, Sequence[dict[str, str]]]) -> list[dict[str, Any]]:
    """Return what is shown of each case, those with findings first; pictures while there is room for them."""
    room, shown = MOST_BYTES, []
    for each in sorted(examined, key=lambda one: (one.case.name not in findings, one.case.name)):
        picture: Sketch | None = each.picture
        fits = picture is not None and picture.size <= room
        room -= picture.size if picture is not None and fits else 0
        known = each.measurements
        told = [" × ".join(f"{size:g}" for size in known.shape), " × ".join(f"{step:.3g}" for step in known.spacing)]
        shown.append(
            {
                "name": each.case.name,
                "planes": picture.planes if picture is not None and fits else (),
                "histogram": histogram_path(picture.histogram) if picture is not None else "",
                "range": f"{picture.low:.5g} to {picture.high:.5g}" if picture is not None else "",
                "grid": f"{told[0]} voxels, {told[1]} mm" if known.shape else "",
                "volumes": [(label, f"{volume:.3g} ml") for label, volume in known.volumes.items()],
                "findings": findings.get(each.case.name, ()),
                "worst": next((row["severity"] for row in findings.get(each.case.name, ())), "none"),
            }
        )
    return shown


def histogram_path(counts: Sequence[int]) -> str:
    """Return the outline of a histogram within 64 by 20, as the path of an SVG; roots keep rare intensities visible."""
    roots = np.sqrt(np.asarray(counts, float))
    heights = 20 * roots / max(float(roots.max()), 1)
    points = " ".join(
        f"{place},{20 - height:.1f} {place + 1},{20 - height:.1f}" for place, height in enumerate(heights)
    )
    return f"M0,20 L{points} L{len(counts)},20 Z"
