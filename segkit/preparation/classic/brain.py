"""What surrounds the brain, taken out of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segkit.foundation.errors import DataError, UsageError
from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing
from segkit.preparation.classic.masking import body_of, largest_component, threshold_of
from segkit.volumes.boxes import Box, occupied_box

Mask = NDArray[np.bool_]
SCALP = 0.1  # of the brain: with less tissue than this around it, the image has no scalp left to take out


class KeepBrain(ChannelTransform):
    """Set everything but the brain of a T1-like head to one value, by a threshold and morphology.

    Tissue is what is above the threshold. Eroded, it comes apart at the dark skull, and its largest part is the brain;
    it grows back within the tissue, and what it encloses is closed. Where the value is 0, the plan crops to the rest.
    An image without a scalp, so already stripped, stays as it is.

    This is no learnt skull stripper. Where fat or muscle touches the brain over more than `erosion`, as with blurred or
    thick slices, it keeps them; of noisy images it loses gyri (denoise them before); tumours at the surface and bright
    CSF are not what it is made for. Look at what `segkit inspect` shows, or bring stripped images.

    Args:
        threshold: above which a voxel is tissue, in the image's units; None: Otsu's.
        erosion: mm taken off the tissue to cut what bridges brain and scalp.
        dilation: mm by which the brain grows back, within the tissue; a little more than was taken off.
        closing: mm of the widest sulcus that becomes part of the brain, measured from each of its banks.
        outside: value of what is taken out.
        guide: array channel, from 0, whose brain is kept in all the others too, as the T1's; None: each its own.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        UsageError: when a distance is negative or, on use, the image has no channel `guide`.
        DataError: on use, when nothing is left after the erosion.
        MissingExtraError: on use, without scikit-image where no threshold is given.

    Source: Brummer et al. 1993, IEEE Transactions on Medical Imaging 12, "Automatic detection of brain contours in MRI
        data sets"; Atkins, Mackiewich 1998, ibid. 17, "Fully automatic segmentation of the brain in MRI".
    """

    def __init__(
        self,
        threshold: float | None = None,
        erosion: float = 4.0,
        dilation: float = 6.0,
        closing: float = 6.0,
        outside: float = 0.0,
        guide: int | None = None,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(channels)
        if min(erosion, dilation, closing) < 0:
            raise UsageError(f"KeepBrain: erosion={erosion}, dilation={dilation}, closing={closing}: mm are 0 or more")
        self.threshold, self.outside, self.guide = threshold, float(outside), guide
        self.erosion, self.dilation, self.closing = float(erosion), float(dilation), float(closing)

    def change(self, values: FloatArray, channels: Sequence[int], spacing: Spacing) -> None:
        """Keep the brain of each channel, or in each that of `guide`."""
        if self.guide is None:
            super().change(values, channels, spacing)
            return
        if self.guide not in range(len(values)):
            raise UsageError(f"KeepBrain: guide={self.guide} of an image that has {len(values)} channels, from 0")
        brain = self.brain_of(values[self.guide], spacing)
        values[list(channels)] = np.where(brain, values[list(channels)], np.float32(self.outside))

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel with all but its brain set to `outside`; an image of one intensity stays."""
        return np.where(self.brain_of(values, spacing), values, np.float32(self.outside))

    def brain_of(self, values: FloatArray, spacing: Spacing) -> Mask:
        """Return where the brain of one channel is, shape (X, Y, Z); everywhere, where there is no scalp around it.

        Raises:
            DataError: when nothing is left after the erosion.
        """
        everywhere = np.ones(values.shape, dtype=bool)
        if values.min() == values.max():
            return everywhere
        tissue = values > threshold_of(values, self.threshold, "KeepBrain")
        core = largest_component(distances(tissue, spacing) > self.erosion)
        box = occupied_box(core)
        if box is None:
            raise DataError(f"KeepBrain: nothing is left of the tissue after erosion={self.erosion:g} mm; lower it")
        near = grown(box, self.dilation, spacing, values.shape)
        brain = np.zeros_like(tissue)
        brain[near] = tissue[near] & (distances(~core[near], spacing) <= self.dilation)
        near = grown(near, self.closing, spacing, values.shape)
        brain[near] = body_of(closed(brain[near], self.closing, spacing))
        return everywhere if (tissue & ~brain).sum() < SCALP * brain.sum() else brain


def distances(mask: Mask, spacing: Spacing) -> NDArray[np.float64]:
    """Return the mm from each voxel of a mask to the nearest outside it; what lies beyond the image is not outside."""
    from scipy import ndimage

    if mask.all():
        return np.full(mask.shape, np.inf)
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing))


def closed(mask: Mask, mm: float, spacing: Spacing) -> Mask:
    """Return a mask with the gaps that a ball of a radius in mm does not enter."""
    # A border wide enough that the image's edge is no gap; a picture has one voxel across, and none there.
    reach = [(0, 0) if size == 1 else (int(mm / step) + 1,) * 2 for size, step in zip(mask.shape, spacing, strict=True)]
    wide = distances(~np.pad(mask, reach), spacing) <= mm
    inner = tuple(slice(before, size + before) for size, (before, _) in zip(mask.shape, reach, strict=True))
    return np.asarray(distances(wide, spacing) > mm)[inner]


def grown(box: Box, mm: float, spacing: Spacing, shape: Sequence[int]) -> Box:
    """Return a box with so many mm more on each side, as far as the image reaches."""
    reach = [int(mm / step) + 1 for step in spacing]
    parts = zip(box, reach, shape, strict=True)
    return tuple(slice(max(0, part.start - more), min(size, part.stop + more)) for part, more, size in parts)
