"""The validation case that went worst, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segkit.config.labels import IGNORED, Labels
from segkit.foundation.files import atomic_file
from segkit.preparation.store import PreparedCase
from segkit.volumes.outlines import GAP, draw_legend, enlarged, in_grey, outlined

TILE, LINE = 384, 14  # pixels of the longest side of a plane, of a line of text


@dataclass(frozen=True, eq=False)
class Slice:
    """One plane of a case as the network saw it: oriented, resampled and normalised.

    Attributes:
        case: its name.
        dice: mean over the labels of the whole case.
        image: first channel, shape (rows, columns).
        reference: places of labels, 0 the background, 255 ignored; the same shape.
        mask: predicted places, the same shape.
    """

    case: str
    dice: float
    image: NDArray[np.floating]
    reference: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def middle_slice(
    case: PreparedCase, places: NDArray[np.uint8], labels: Labels, *, dice: float, axis: int | None
) -> Slice:
    """Return the plane through the middle of a case's reference.

    Args:
        case: prepared.
        places: predicted labels, 0 the background, shape (X, Y, Z), on the prepared grid.
        labels: what the outputs stand for.
        dice: of the case.
        axis: across the plane; None: the last.
    """
    axis = 2 if axis is None else axis
    labelled = (case.reference > 0) & (case.reference != IGNORED)
    sizes = labelled.sum(axis=tuple(other for other in range(3) if other != axis))
    # The middle of what is labelled, not of the box around it: a stray voxel moves it little.
    filled = np.cumsum(sizes) * 2 >= sizes.sum() if sizes.any() else np.arange(len(sizes)) >= len(sizes) // 2
    index = int(np.argmax(filled))
    image = np.take(np.asarray(case.image[0]), [index], axis).squeeze(axis).astype(np.float32)
    reference = reference_places(np.take(case.reference, [index], axis).squeeze(axis), labels)
    mask = np.take(places, [index], axis).squeeze(axis)
    # As on a screen: the first axis to the right, the second upwards.
    return Slice(case.name, dice, image.T[::-1], reference.T[::-1], mask.T[::-1])


def reference_places(classes: NDArray[np.integer], labels: Labels) -> NDArray[np.uint8]:
    """Turn stored classes into places of foreground labels, same shape: of several regions the one declared last."""
    table = np.arange(IGNORED + 1, dtype=np.uint8)
    if labels.is_regions:
        ranks = np.arange(1, len(labels.membership) + 1)[:, None]
        places = np.max(labels.membership * ranks, axis=0)
        table[: len(places)] = places
    return np.asarray(table[classes], np.uint8)


def write_worst(worst: Slice, names: Sequence[str], step: int, path: Path) -> None:
    """Write a plane with the outlines of its reference beside the same plane with those of its mask, as PNG.

    Args:
        worst: the plane.
        names: of the labels.
        step: after which it was predicted.
        path: of the picture.
    """
    from PIL import Image, ImageDraw

    grey = enlarged(in_grey(worst.image), TILE)
    planes = [outlined(grey, enlarged(classes, TILE)) for classes in (worst.reference, worst.mask)]
    rows, columns = grey.shape
    sheet = Image.new("RGB", (2 * columns + 3 * GAP, rows + 4 * LINE), "black")
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, 2), f"{worst.case}: Dice {worst.dice:.3f}, the lowest at step {step}", fill="white")
    for title, plane, x in zip(("reference", "mask"), planes, (GAP, columns + 2 * GAP), strict=True):
        pen.text((x, LINE + 2), title, fill="white")
        sheet.paste(Image.fromarray(plane), (x, 2 * LINE + 2))
    draw_legend(pen, names, GAP, sheet.height - LINE - 4)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")
