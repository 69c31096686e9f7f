"""Draws docs/masks.png from what `segkit demo` left: held-out scans with reference contours and masks.

Run: python scripts/masks_picture.py segkit_demo docs/masks.png
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import segkit
from segkit.preparation.grids import reoriented
from segkit.preparation.resampling import image_onto
from segkit.volumes.volume import Volume

COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7"]  # Okabe & Ito, told apart by everyone


def as_radiologists_see(volume: Volume) -> np.ndarray:
    """Return the voxels with the patient's left on the right of the picture and the back at its bottom."""
    return image_onto(volume.array[0], volume.grid, reoriented(volume.grid, "LPS"), order=1)


def draw(demo: Path, output: Path, cases: int = 4) -> None:
    masks = sorted((demo / "run" / "predictions" / "held_out").glob("*.nii.gz"))[:cases]
    figure, axes = plt.subplots(1, len(masks), figsize=(3 * len(masks), 2.9), facecolor="black")
    for axis, path in zip(axes, masks, strict=True):
        name = path.name.removesuffix(".nii.gz")
        scan, mask, labels = (
            as_radiologists_see(segkit.read(place))
            for place in (demo / "cohort" / "images" / name, path, demo / "cohort" / "labels" / f"{name}.dcm")
        )
        classes = [len(np.unique(labels[:, :, z])) for z in range(labels.shape[2])]
        z = int(np.argmax((labels > 0).sum((0, 1)) + 500 * np.array(classes)))  # many labels, and much of them
        axis.imshow(scan[:, :, z].T, cmap="gray", vmin=-160, vmax=240, interpolation="bilinear")
        for value, colour in enumerate(COLOURS, start=1):
            inside = value == mask[:, :, z].T
            axis.imshow(np.ma.masked_equal(inside, 0), cmap=plt.matplotlib.colors.ListedColormap([colour]), alpha=0.45)
            if (labels[:, :, z] == value).any():
                axis.contour(value == labels[:, :, z].T, [0.5], colors=[colour], linewidths=1.2)
        axis.axis("off")
    figure.subplots_adjust(0, 0, 1, 1, 0.01, 0.01)
    output.parent.mkdir(exist_ok=True)
    figure.savefig(output, dpi=80, facecolor="black")


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
