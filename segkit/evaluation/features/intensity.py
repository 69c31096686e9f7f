"""First-order statistics of the intensities in a region, in the image's own units (HU for CT).

| column | PyRadiomics, class firstorder | IBSI |
|---|---|---|
| mean | Mean | Q4LE |
| standard_deviation | StandardDeviation, of the population | |
| variance | Variance, of the population | ECT3 |
| minimum, maximum, range | Minimum, Maximum, Range | 1GSF, 84IY, 2OJQ |
| median, percentile_10, percentile_90 | Median, 10Percentile, 90Percentile | Y12H, QG58, 8DWT |
| interquartile_range | InterquartileRange | SALO |
| mean_absolute_deviation | MeanAbsoluteDeviation | 4FUA |
| robust_mean_absolute_deviation | RobustMeanAbsoluteDeviation, between the two percentiles | 1128 |
| root_mean_square | RootMeanSquared | 5ZWQ |
| skewness | Skewness; undefined for one intensity, where PyRadiomics has 0 | KE2A |
| kurtosis | Kurtosis, 3 for a normal distribution; undefined likewise | IPH6 + 3 |
| energy | Energy, the sum of squares | N8CA |
| total_energy | TotalEnergy, energy times the volume of a voxel in mm3 | |
| entropy | Entropy in bits, of a histogram with bins of `bin_width` that begin at its multiples | TLU2 |
| uniformity | Uniformity, of the same histogram | BJ5W |

PyRadiomics can add a constant before squaring (`voxelArrayShift`); nothing is added here. Percentiles are interpolated
linearly between intensities.

Source: Zwanenburg et al. 2020, Radiology 295(2), and the IBSI reference manual; van Griethuysen et al. 2017, Cancer
Research 77(21).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from segkit.evaluation.features import Family
from segkit.evaluation.regions import Region


def intensity(region: Region) -> dict[str, float]:
    """Return the table's figures of a region that has an image.

    Raises:
        DataError: when an intensity is not finite.
    """
    values = region.intensities
    p10, p25, median, p75, p90 = (float(value) for value in np.percentile(values, (10, 25, 50, 75, 90)))
    low, high, mean, energy = float(values.min()), float(values.max()), float(values.mean()), float(values @ values)
    offsets = values - mean
    # The mean of equal numbers may be rounded: their variance would be tiny, and skewness and kurtosis noise.
    variance = float(offsets @ offsets) / values.size if high > low else 0.0
    robust = values[(values >= p10) & (values <= p90)]
    entropy, uniformity = histogram_of(values, region.bin_width)
    return {
        "mean": mean,
        "standard_deviation": math.sqrt(variance),
        "variance": variance,
        "minimum": low,
        "percentile_10": p10,
        "median": median,
        "percentile_90": p90,
        "maximum": high,
        "range": high - low,
        "interquartile_range": p75 - p25,
        "mean_absolute_deviation": float(np.abs(offsets).mean()),
        "robust_mean_absolute_deviation": float(np.abs(robust - robust.mean()).mean()) if robust.size else math.nan,
        "root_mean_square": math.sqrt(energy / values.size),
        "skewness": float((offsets**3).mean()) / variance**1.5 if variance else math.nan,
        "kurtosis": float((offsets**4).mean()) / variance**2 if variance else math.nan,
        "energy": energy,
        "total_energy": energy * region.voxel_mm3,
        "entropy": entropy,
        "uniformity": uniformity,
    }


def histogram_of(values: NDArray[np.float64], bin_width: float) -> tuple[float, float]:
    """Return entropy in bits and uniformity of a histogram whose bins begin at multiples of `bin_width`.

    Args:
        values: shape (n,), at least one.
        bin_width: in the values' unit.
    """
    counts = np.unique(np.floor(values / bin_width), return_counts=True)[1]
    shares = counts / values.size
    return float(-(shares @ np.log2(shares))) + 0.0, float(shares @ shares)


COLUMNS = (
    "mean",
    "standard_deviation",
    "variance",
    "minimum",
    "percentile_10",
    "median",
    "percentile_90",
    "maximum",
    "range",
    "interquartile_range",
    "mean_absolute_deviation",
    "robust_mean_absolute_deviation",
    "root_mean_square",
    "skewness",
    "kurtosis",
    "energy",
    "total_energy",
    "entropy",
    "uniformity",
)
FAMILY = Family(name="intensity", columns={2: COLUMNS, 3: COLUMNS}, compute=intensity, needs_image=True)
