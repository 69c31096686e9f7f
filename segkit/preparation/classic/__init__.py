"""Classic image processing as MONAI transforms of intensities, for `preprocessing.on_scan` and `.transforms`."""

from segkit.preparation.classic.brain import KeepBrain
from segkit.preparation.classic.contrast import AdaptiveContrast
from segkit.preparation.classic.filters import CurvatureDenoise, Morphology, Vesselness
from segkit.preparation.classic.masking import KeepBody
from segkit.preparation.classic.matching import HistogramMatching
from segkit.preparation.classic.scanner import BiasFieldCorrection

__all__ = [
    "AdaptiveContrast",
    "BiasFieldCorrection",
    "CurvatureDenoise",
    "HistogramMatching",
    "KeepBody",
    "KeepBrain",
    "Morphology",
    "Vesselness",
]
