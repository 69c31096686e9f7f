"""The histogram of another image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from segkit.config.literal_paths import absolute
from segkit.foundation.errors import SegkitError, UsageError
from segkit.preparation.classic.channels import ChannelTransform, FloatArray, Spacing, as_itk, from_itk, imported
from segkit.volumes.reading import read

QUANTILES = 257  # of the reference that a model carries
SAMPLE = 10_001  # intensities that stand for the reference: its quantiles, straight between them
PURPOSE = "HistogramMatching"
WANTED = "name an image of one channel with several intensities"


class HistogramMatching(ChannelTransform):
    """Give an MR image the histogram of a reference image: some quantiles are moved to its own, straight between them.

    The library is shown the reference's quantiles, which differs from the image itself by some thousandths of its range
    on average. They take the place of `reference_file` before anything is recorded, so a model works without the file.

    Args:
        reference_file: an image of one channel, relative to the working directory, as it lies on disk: what other
            transforms change is not changed in it.
        quantiles: instead of it, those of such an image, evenly spaced from its lowest intensity to its highest.
        points: quantiles that are matched between the lowest and the highest.
        bins: of the histograms.
        above_mean: whether only what is brighter than an image's mean counts, which leaves air out.
        channels: array channels that are changed, from 0; None: all.

    Raises:
        UsageError: when not exactly one of `reference_file` and `quantiles` is given, or it cannot be used.
        MissingExtraError: on use, without SimpleITK.

    Source: Nyul, Udupa, Zhang 2000, IEEE Transactions on Medical Imaging 19; as SimpleITK's `HistogramMatching`.
    """

    def __init__(
        self,
        reference_file: str | None = None,
        quantiles: Sequence[float] | None = None,
        points: int = 7,
        bins: int = 1024,
        above_mean: bool = True,
        channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(channels)
        if (reference_file is None) == (quantiles is None):
            raise UsageError(f"{PURPOSE}: pass reference_file=FILE, an image of one channel, or quantiles; just one")
        if min(points, bins) < 1:
            raise UsageError(f"{PURPOSE}: points={points} and bins={bins} are not both 1 or more")
        known = quantiles_of(absolute(reference_file)) if reference_file is not None else quantiles
        self.quantiles = _checked(known)
        self.points, self.bins, self.above_mean = int(points), int(bins), bool(above_mean)

    @staticmethod
    def portable(arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments that make the same transform and name no file.

        Raises:
            UsageError: when they make none.
        """
        others = {name: value for name, value in arguments.items() if name not in ("reference_file", "quantiles")}
        return {**others, "quantiles": HistogramMatching(**arguments).quantiles}

    def changed(self, values: FloatArray, spacing: Spacing) -> FloatArray:
        """Return one channel with the reference's histogram; an image of one intensity stays."""
        if values.min() == values.max():
            return values
        itk = imported("SimpleITK", "SimpleITK", PURPOSE)
        image = as_itk(values, spacing, PURPOSE)
        known, wanted = (np.linspace(0, 1, count) for count in (len(self.quantiles), SAMPLE))
        sample = np.interp(wanted, known, self.quantiles).astype(np.float32)
        reference = itk.GetImageFromArray(sample.reshape(*[1] * (image.GetDimension() - 1), SAMPLE))
        return from_itk(itk.HistogramMatching(image, reference, self.bins, self.points, self.above_mean), values.shape)


@cache
def quantiles_of(path: str) -> list[float]:
    """Return the quantiles of an image, from its lowest intensity to its highest, to six digits.

    Raises:
        UsageError: when it cannot be read, or is not one channel with more than one finite intensity.
    """
    try:
        array = read(path).array
    except SegkitError as error:
        raise UsageError(f"{PURPOSE}: reference_file: {error}; {WANTED}") from error
    if len(array) != 1:
        raise UsageError(f"{PURPOSE}: reference_file: {path} has {len(array)} channels; {WANTED}")
    if not np.isfinite(array).all() or array.min() == array.max():
        raise UsageError(f"{PURPOSE}: reference_file: {path} is flat or holds NaN or infinite values; {WANTED}")
    return [float(f"{value:.6g}") for value in np.quantile(array, np.linspace(0, 1, QUANTILES))]


def _checked(quantiles: Any) -> list[float]:
    try:
        values = np.asarray(quantiles, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    is_rising = values.ndim == 1 and values.size > 1 and bool((np.diff(values) >= 0).all())
    if not is_rising or not np.isfinite(values).all() or values[0] == values[-1]:
        raise UsageError(f"{PURPOSE}: quantiles are not finite numbers, two or more, from lowest to highest")
    return [float(value) for value in values]
